// Package estate is a housing estate that behaves: people come and go through
// the gates, call the lifts behind them, and a robot walks its round. Its
// models are coupled (a passage at a gate becomes a lift ride; a trapped lift
// draws the robot to its lobby) and can be broken by the named faults, whose
// true begin and end it remembers.
//
// The package is pure: no clock, no I/O, no goroutine. It moves in ticks of
// TickMS of virtual time, and only when Advance is called. The same Plan, seed
// and calls give the same sequence, however the caller slices the time; every
// device draws from its own random stream, so adding a device leaves the
// others' behaviour alone. It is not safe for concurrent use.
package estate

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"time"
)

// TickMS is the step of the models, in milliseconds of virtual time: short
// enough for a lift door, long enough to run a day in seconds.
const TickMS = 250

const tick = TickMS * time.Millisecond

// Report is what a device says of its own accord: measurements or, when Event
// is set, something that happened.
type Report struct {
	Device string
	AtMS   int64
	// Values holds float64, bool and string values by metric.
	Values map[string]any
	Event  string
	Data   map[string]any
}

// model is one device's behaviour. Methods are called in the order of time
// and only from Estate.
type model interface {
	// step lives through the tick that ends at nowMS and returns what the
	// device reports in it.
	step(nowMS int64) []Report
	// values is what the device would measure now, by metric.
	values() map[string]any
	// begin and end bring on and mend a fault that suits the kind.
	begin(f Fault, nowMS int64)
	end(f Fault, nowMS int64)
}

// Estate holds the models and the virtual time they have reached.
type Estate struct {
	nowMS    int64
	devices  []resident
	episodes []Episode
	errands  []errand
	rng      *rand.Rand
}

// resident is a device that lives here.
type resident struct {
	Device
	model
}

// errand is a lift ride that somebody who passed a gate will ask for.
type errand struct {
	atMS int64
	lift int
}

// New builds the estate of a valid Plan at startMS (Unix ms of virtual time).
func New(p Plan, seed uint64, startMS int64) (*Estate, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	e := &Estate{nowMS: startMS, rng: stream(seed, "estate")}
	for _, d := range p.Devices {
		e.devices = append(e.devices, resident{d, newModel(d, stream(seed, d.ID), startMS)})
	}
	return e, nil
}

func newModel(d Device, rng *rand.Rand, startMS int64) model {
	switch d.Kind {
	case Elevator:
		return newLift(d, rng)
	case AccessGate:
		return newGate(d, rng, startMS)
	default:
		return newRobot(d, rng, startMS)
	}
}

// stream gives every name its own random numbers under one seed.
func stream(seed uint64, name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return rand.New(rand.NewPCG(seed, h.Sum64()))
}

// NowMS is the virtual time reached.
func (e *Estate) NowMS() int64 { return e.nowMS }

// Devices lists the devices in the order of the Plan.
func (e *Estate) Devices() []Device {
	out := make([]Device, len(e.devices))
	for i, r := range e.devices {
		out[i] = r.Device
	}
	return out
}

// Advance lives through all whole ticks up to toMS and returns what the
// devices reported, in the order it happened.
func (e *Estate) Advance(toMS int64) []Report {
	var out []Report
	for e.nowMS+TickMS <= toMS {
		e.nowMS += TickMS
		out = append(out, e.tick()...)
	}
	return out
}

func (e *Estate) tick() []Report {
	var out []Report
	e.mendWhatIsOver()
	e.runErrands()
	for i := range e.devices {
		r := &e.devices[i]
		said := r.step(e.nowMS)
		if gate, ok := r.model.(*gate); ok {
			e.sendToLifts(gate)
		}
		if !e.silent(r.ID) {
			out = append(out, said...)
		}
	}
	e.noteTrapped()
	e.drawRobots()
	return out
}

// sendToLifts turns each passage of the last tick into a ride in a lift of the
// same building, as soon as the person has walked there.
func (e *Estate) sendToLifts(g *gate) {
	for range g.takeArrivals() {
		var here []int
		for i, r := range e.devices {
			if _, ok := r.model.(*lift); ok && r.Building == g.building {
				here = append(here, i)
			}
		}
		if len(here) == 0 {
			return
		}
		walk := int64(20_000 + e.rng.IntN(60_000))
		e.errands = append(e.errands, errand{e.nowMS + walk, here[e.rng.IntN(len(here))]})
	}
}

func (e *Estate) runErrands() {
	rest := e.errands[:0]
	for _, r := range e.errands {
		if r.atMS > e.nowMS {
			rest = append(rest, r)
			continue
		}
		e.devices[r.lift].model.(*lift).callFromHall()
	}
	e.errands = rest
}

// drawRobots sends the robots to the lobby of a lift that holds people, and
// back to their round afterwards.
func (e *Estate) drawRobots() {
	trapped := false
	for _, r := range e.devices {
		if l, ok := r.model.(*lift); ok && l.trapped() {
			trapped = true
		}
	}
	for _, r := range e.devices {
		if b, ok := r.model.(*robot); ok {
			b.attend(trapped)
		}
	}
}

// Values is what the device would measure now, by metric. A silent device
// still has values; nobody hears them.
func (e *Estate) Values(device string) (map[string]any, error) {
	r, err := e.find(device)
	if err != nil {
		return nil, err
	}
	return r.values(), nil
}

// Terminal is the state of a lift's add-on terminal, for the register map.
func (e *Estate) Terminal(device string) (Terminal, error) {
	r, err := e.find(device)
	if err != nil {
		return Terminal{}, err
	}
	l, ok := r.model.(*lift)
	if !ok {
		return Terminal{}, fmt.Errorf("device %q is a %s, it has no lift terminal", device, r.Kind)
	}
	return l.terminal(), nil
}

func (e *Estate) find(device string) (*resident, error) {
	for i := range e.devices {
		if e.devices[i].ID == device {
			return &e.devices[i], nil
		}
	}
	return nil, fmt.Errorf("no device %q in this estate", device)
}
