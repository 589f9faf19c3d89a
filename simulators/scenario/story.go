// Package scenario is the language in which simulations are told: devices, a
// time line of things that are pushed into them, and what is wanted to be seen.
//
//	name: trapped in the morning
//	seed: 42
//	start: 2026-11-30T07:55:00+08:00
//	duration: 10m
//	devices:
//	  - {id: lift-3-1, kind: elevator, unit: 1, building: "3"}
//	story:
//	  - {at: 1m, push: entrapment, device: lift-3-1, for: 5m}
//	  - {at: 1m, want: {device: lift-3-1, metric: trapped, is: true, within: 15s}}
//	  - {at: 1m, want: {device: lift-3-1, ticket: entrapment, within: 20s}}
//
// Reading is strict: everything wrong is named with its line. Playing is pure:
// a Director is stepped through virtual time by whoever owns the clock, and
// the same story and seed give the same run.
package scenario

import (
	"fmt"
	"slices"
	"time"

	"github.com/linshao/linshao/protocol/kit/config"
	"github.com/linshao/linshao/simulators/estate"
)

// Story is one scenario file.
type Story struct {
	Name string `yaml:"name"`
	// Seed of all randomness.
	Seed uint64 `yaml:"seed"`
	// Start is the virtual time to begin at, RFC 3339; empty is now.
	Start string `yaml:"start"`
	// Duration is virtual.
	Duration config.Duration `yaml:"duration"`
	// Speed is virtual seconds per second, 0 meaning 1.
	Speed float64 `yaml:"speed"`
	// Estate names the estate in logs and at the side door.
	Estate string `yaml:"estate"`
	// MQTT is the gateway's URL, Modbus where lift terminals answer.
	MQTT   string `yaml:"mqtt"`
	Modbus string `yaml:"modbus"`
	// Passwords by device.
	Passwords map[string]string `yaml:"passwords"`
	Devices   []estate.Device   `yaml:"devices"`
	Lines     []Line            `yaml:"story"`
}

// Line is one entry of the time line: exactly one of Push, Mend and Want.
type Line struct {
	// At is the virtual time since the beginning.
	At     config.Duration `yaml:"at"`
	Push   estate.Fault    `yaml:"push"`
	Mend   estate.Fault    `yaml:"mend"`
	Device string          `yaml:"device"`
	// For is how long a pushed fault lasts, 0 meaning its own time.
	For  config.Duration `yaml:"for"`
	Want *Want           `yaml:"want"`
}

// Want is something that must be seen between its line's At and Within later:
// a metric of the simulated device itself, or a ticket of the product.
type Want struct {
	Device string `yaml:"device"`
	// Metric, with one of Is, Above and Below.
	Metric string   `yaml:"metric"`
	Is     any      `yaml:"is"`
	Above  *float64 `yaml:"above"`
	Below  *float64 `yaml:"below"`
	// Ticket is a fault of the product's vocabulary.
	Ticket string          `yaml:"ticket"`
	Within config.Duration `yaml:"within"`
}

// String reads like the line of the file.
func (w Want) String() string {
	switch {
	case w.Ticket != "":
		return fmt.Sprintf("a ticket %s of %s within %s", w.Ticket, w.Device, w.Within)
	case w.Above != nil:
		return fmt.Sprintf("%s of %s above %v within %s", w.Metric, w.Device, *w.Above, w.Within)
	case w.Below != nil:
		return fmt.Sprintf("%s of %s below %v within %s", w.Metric, w.Device, *w.Below, w.Within)
	}
	return fmt.Sprintf("%s of %s to be %v within %s", w.Metric, w.Device, w.Is, w.Within)
}

// Load reads a story; the error names every mistake with its line.
func Load(file string) (Story, error) {
	s := defaults()
	err := config.Load(file, &s, config.Options{}, s.check)
	return s.ordered(), err
}

// Parse is Load for bytes already read.
func Parse(file string, text []byte) (Story, error) {
	s := defaults()
	err := config.Decode(file, text, &s, config.Options{}, s.check)
	return s.ordered(), err
}

func defaults() Story {
	return Story{
		Seed: 1, Duration: config.Duration(10 * time.Minute), Speed: 1, Estate: "scenario",
		MQTT: "tcp://127.0.0.1:1883", Modbus: "127.0.0.1:1502",
	}
}

// Begins is the virtual time at which the story starts, now if it says none.
func (s Story) Begins(now time.Time) time.Time {
	if at, err := time.Parse(time.RFC3339, s.Start); err == nil {
		return at
	}
	return now
}

// ordered sorts the lines by time; lines of one instant keep their order.
func (s Story) ordered() Story {
	slices.SortStableFunc(s.Lines, func(a, b Line) int { return int(a.At - b.At) })
	return s
}
