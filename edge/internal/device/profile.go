package device

import (
	"time"
)

// Protocol says how a profile's devices speak.
type Protocol string

// The protocols.
const (
	MQTT   Protocol = "mqtt"
	Modbus Protocol = "modbus"
)

// Profile is the data file of a model.
type Profile struct {
	// Name is what devices refer to, such as lift-terminal.
	Name string `yaml:"profile"`
	// Kind is what sort of thing it is, such as elevator.
	Kind     string   `yaml:"kind"`
	Protocol Protocol `yaml:"protocol"`
	// Title and Source are for people: what it is, and where the map of its
	// points comes from.
	Title  string            `yaml:"title"`
	Source string            `yaml:"source"`
	Modbus Polling           `yaml:"modbus"`
	Points []Point           `yaml:"points"`
	Events []EventDefinition `yaml:"events"`
	Rules  []Rule            `yaml:"rules"`
}

// EventDefinition names something a device may report as having happened.
type EventDefinition struct {
	Name  string `yaml:"name"`
	Title string `yaml:"title"`
}

// Polling holds what a Modbus model bears. The zero value of each field in
// the file stands for the default named here.
type Polling struct {
	// Every and Heartbeat are the defaults of the points: 1s and 5m.
	Every     time.Duration `yaml:"every"`
	Heartbeat time.Duration `yaml:"heartbeat"`
	// Timeout is how long one answer may take: 1s.
	Timeout time.Duration `yaml:"timeout"`
	// ConnectPause is waited after connecting, for terminals that lose what
	// is asked too early: 0s.
	ConnectPause time.Duration `yaml:"connect_pause"`
	// MaxRegisters and MaxCoils bound one read: 125 and 2000.
	MaxRegisters int `yaml:"max_registers"`
	MaxCoils     int `yaml:"max_coils"`
	// MaxHole is how many registers that no point needs may be read along
	// to save a request: 16 (and 16 times as many coils).
	MaxHole *int `yaml:"max_hole"`
	// NeverRead are addresses that must not be touched even as a hole.
	NeverRead []Range `yaml:"never_read"`
}

// Range is a stretch of addresses, both ends included.
type Range struct {
	Register Register `yaml:"register"`
	From     uint16   `yaml:"from"`
	To       uint16   `yaml:"to"`
}

// Point returns the point of that name.
func (p *Profile) Point(name string) (Point, bool) {
	for _, q := range p.Points {
		if q.Name == name {
			return q, true
		}
	}
	return Point{}, false
}

// HasEvent reports whether the profile defines an event of that name.
func (p *Profile) HasEvent(name string) bool {
	for _, e := range p.Events {
		if e.Name == name {
			return true
		}
	}
	return false
}
