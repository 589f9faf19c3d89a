package estate

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Fault is a way in which a device can go wrong.
type Fault string

// The faults.
const (
	Entrapment    Fault = "entrapment"     // lift stops between floors, people inside
	OverheatDrift Fault = "overheat_drift" // lift motor slowly runs hot
	DoorForced    Fault = "door_forced"    // gate opened while locked
	DoorHeld      Fault = "door_held"      // gate kept open after a passage
	RobotStuck    Fault = "robot_stuck"    // robot wants to drive and does not move
	DeviceSilent  Fault = "device_silent"  // any device stops talking
)

// Faults lists every fault that a device of kind k can have.
func Faults(k Kind) []Fault {
	switch k {
	case Elevator:
		return []Fault{Entrapment, OverheatDrift, DeviceSilent}
	case AccessGate:
		return []Fault{DoorForced, DoorHeld, DeviceSilent}
	default:
		return []Fault{RobotStuck, DeviceSilent}
	}
}

// Lasts is how long the fault goes on if nobody says otherwise.
func (f Fault) Lasts() time.Duration {
	switch f {
	case Entrapment:
		return 15 * time.Minute
	case OverheatDrift:
		return 10 * time.Minute
	case DoorForced:
		return 2 * time.Minute
	default:
		return 5 * time.Minute
	}
}

// Episode is the truth about one fault of one device: it was there from FromMS
// until ToMS (Unix ms of virtual time), or still is while ToMS is 0. A lift
// needs some seconds until it is stuck: FromMS moves there.
type Episode struct {
	Device string
	Fault  Fault
	FromMS int64
	ToMS   int64

	dueMS int64 // when it mends by itself
	shown bool  // FromMS is final
}

// Begin brings on a fault now, for the given time or, if that is 0, for
// Fault.Lasts. A fault that is already there goes on and is not begun twice.
func (e *Estate) Begin(f Fault, device string, lasts time.Duration) error {
	r, err := e.find(device)
	if err != nil {
		return err
	}
	if can := Faults(r.Kind); !slices.Contains(can, f) {
		return fmt.Errorf("a %s cannot have %q, only %s", r.Kind, f, listed(can))
	}
	if lasts == 0 {
		lasts = f.Lasts()
	}
	due := e.nowMS + lasts.Milliseconds()
	if i := e.ongoing(f, device); i >= 0 {
		e.episodes[i].dueMS = due
		return nil
	}
	e.episodes = append(e.episodes, Episode{Device: device, Fault: f, FromMS: e.nowMS, dueMS: due, shown: f != Entrapment})
	r.begin(f, e.nowMS)
	return nil
}

// Mend ends a fault now. It is no error if there is none.
func (e *Estate) Mend(f Fault, device string) error {
	r, err := e.find(device)
	if err != nil {
		return err
	}
	if i := e.ongoing(f, device); i >= 0 {
		e.episodes[i].ToMS = e.nowMS
		r.end(f, e.nowMS)
	}
	return nil
}

// Episodes returns the truth so far, oldest first.
func (e *Estate) Episodes() []Episode { return slices.Clone(e.episodes) }

// Silent reports whether nothing of the device can be heard now.
func (e *Estate) Silent(device string) bool { return e.silent(device) }

func (e *Estate) silent(device string) bool { return e.ongoing(DeviceSilent, device) >= 0 }

func (e *Estate) ongoing(f Fault, device string) int {
	return slices.IndexFunc(e.episodes, func(p Episode) bool {
		return p.Fault == f && p.Device == device && p.ToMS == 0
	})
}

func (e *Estate) mendWhatIsOver() {
	for i := range e.episodes {
		p := &e.episodes[i]
		if p.ToMS != 0 || p.dueMS > e.nowMS {
			continue
		}
		p.ToMS = e.nowMS
		if r, err := e.find(p.Device); err == nil {
			r.end(p.Fault, e.nowMS)
		}
	}
}

// noteTrapped moves the begin of an entrapment to when the car stood still.
func (e *Estate) noteTrapped() {
	for i := range e.episodes {
		p := &e.episodes[i]
		if p.shown || p.ToMS != 0 {
			continue
		}
		if r, err := e.find(p.Device); err == nil && r.model.(*lift).trapped() {
			p.FromMS, p.shown = e.nowMS, true
		}
	}
}

func listed(fs []Fault) string {
	words := make([]string, len(fs))
	for i, f := range fs {
		words[i] = string(f)
	}
	return strings.Join(words, ", ")
}
