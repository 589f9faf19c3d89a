package estate

import (
	"errors"
	"fmt"

	"github.com/linshao/linshao/protocol/topic"
)

// Kind is a device's kind, in the product's words.
type Kind string

// The kinds of device that live here.
const (
	Elevator   Kind = "elevator"
	AccessGate Kind = "access-gate"
	Robot      Kind = "patrol-robot"
)

// Device says which device stands where.
type Device struct {
	ID   string `yaml:"id" json:"id"`
	Kind Kind   `yaml:"kind" json:"kind"`
	// Location is what people call the place, such as 3号楼1单元.
	Location string `yaml:"location,omitempty" json:"location,omitempty"`
	// Building ties gates to the lifts behind them; any word will do.
	Building string `yaml:"building,omitempty" json:"building,omitempty"`
	// Floors is the number of floors a lift serves, 0 meaning 18.
	Floors int `yaml:"floors,omitempty" json:"floors,omitempty"`
	// Unit is a lift terminal's Modbus unit, 1 to 247.
	Unit uint8 `yaml:"unit,omitempty" json:"unit,omitempty"`
}

// Plan lists the devices of one estate.
type Plan struct{ Devices []Device }

// Validate reports everything that is wrong with the Plan at once.
func (p Plan) Validate() error {
	var errs []error
	seen := map[string]bool{}
	units := map[uint8]string{}
	for _, d := range p.Devices {
		if seen[d.ID] {
			errs = append(errs, fmt.Errorf("device %q is listed twice", d.ID))
		}
		seen[d.ID] = true
		errs = append(errs, d.validate())
		if d.Kind != Elevator {
			continue
		}
		if other, taken := units[d.Unit]; taken {
			errs = append(errs, fmt.Errorf("device %q: unit %d already belongs to %q", d.ID, d.Unit, other))
		}
		units[d.Unit] = d.ID
	}
	return errors.Join(errs...)
}

func (d Device) validate() error {
	if !topic.Valid(d.ID) {
		return fmt.Errorf("device %q: an id is 1 to 64 of a-z 0-9 . _ - and starts with a letter or digit", d.ID)
	}
	switch d.Kind {
	case AccessGate, Robot:
		return nil
	case Elevator:
	default:
		return fmt.Errorf("device %q: kind %q is not one of %s, %s, %s", d.ID, d.Kind, Elevator, AccessGate, Robot)
	}
	if d.Floors != 0 && (d.Floors < 2 || d.Floors > 100) {
		return fmt.Errorf("device %q: %d floors is outside 2 to 100", d.ID, d.Floors)
	}
	if d.Unit < 1 || d.Unit > 247 {
		return fmt.Errorf("device %q: Modbus unit %d is outside 1 to 247", d.ID, d.Unit)
	}
	return nil
}
