package estate

import (
	"math/rand/v2"
)

const (
	gateReportMS = 10_000 // a quiet gate still reports this often
	gateHeldMS   = 30_000 // an open gate complains after this long
)

// gate is an access gate with a door contact, a lock and a card reader. It
// reports its state every gateReportMS and at once when it changes.
type gate struct {
	id, building string
	rng          *rand.Rand

	open, locked bool
	forced, held bool
	openedMS     int64
	closeMS      int64 // when the open door falls shut
	heldSaid     bool
	saidMS       int64
	changed      bool
	arrivals     int // people who came in and have not been sent on
	count        int // passages for life
	supply       float64
	warmth       float64 // of the door motor, degrees
	pending      []Report
}

func newGate(d Device, rng *rand.Rand, startMS int64) *gate {
	// Gates are not wired to one clock: each starts its period elsewhere.
	phase := rng.Int64N(gateReportMS / TickMS)
	return &gate{
		id: d.ID, building: d.Building, rng: rng, locked: true, supply: 12.1, warmth: 31,
		count:  200_000 + rng.IntN(100_000),
		saidMS: startMS - gateReportMS + phase*TickMS,
	}
}

func (g *gate) step(nowMS int64) []Report {
	g.supply += (12.1-g.supply)*0.05 + (g.rng.Float64()-0.5)*0.02
	g.warmth += (31-g.warmth)*tick.Seconds()/120 + (g.rng.Float64()-0.5)*0.04
	somebody := g.rng.Float64() < passageChance(nowMS)
	if somebody && !g.forced {
		g.pass(nowMS)
	}
	if g.open && !g.forced && !g.held && nowMS >= g.closeMS {
		g.shut(nowMS)
	}
	if g.open && !g.heldSaid && !g.forced && nowMS-g.openedMS >= gateHeldMS {
		g.heldSaid = true
		g.say("door_held_open", nowMS, map[string]any{"seconds": float64(nowMS-g.openedMS) / 1000})
	}
	if g.changed || nowMS-g.saidMS >= gateReportMS {
		g.saidMS, g.changed = nowMS, false
		g.pending = append(g.pending, Report{Device: g.id, AtMS: nowMS, Values: g.values()})
	}
	out := g.pending
	g.pending = nil
	return out
}

// pass lets one person in: the card is read, the lock drops, the door opens
// and falls shut some seconds later.
func (g *gate) pass(nowMS int64) {
	direction := "in"
	if g.rng.IntN(2) == 0 {
		direction = "out"
	}
	g.say("access_granted", nowMS, map[string]any{"credential": "card", "direction": direction})
	if direction == "in" {
		g.arrivals++
	}
	g.count++
	g.warmth += 0.4
	g.unlock(nowMS)
	g.closeMS = nowMS + 4000 + int64(g.rng.IntN(16))*TickMS
}

func (g *gate) unlock(nowMS int64) {
	if !g.open {
		g.openedMS, g.heldSaid = nowMS, false
	}
	g.open, g.locked, g.changed = true, false, true
}

func (g *gate) shut(nowMS int64) {
	if g.heldSaid || g.forced {
		g.say("door_closed", nowMS, nil)
	}
	g.open, g.locked, g.changed = false, true, true
}

func (g *gate) say(event string, nowMS int64, data map[string]any) {
	g.pending = append(g.pending, Report{Device: g.id, AtMS: nowMS, Event: event, Data: data})
}

func (g *gate) takeArrivals() int {
	n := g.arrivals
	g.arrivals = 0
	return n
}

func (g *gate) values() map[string]any {
	mode := "locked"
	if g.open && !g.forced {
		mode = "accessed"
	}
	return map[string]any{
		"door": doorWord(g.open), "locked": g.locked, "door_mode": mode, "tamper": false,
		"passages": float64(g.count), "supply_voltage": rounded(g.supply, 100),
		"motor_temp": rounded(g.warmth, 10),
	}
}

func (g *gate) begin(f Fault, nowMS int64) {
	switch f {
	case DoorForced:
		g.open, g.locked, g.forced, g.changed, g.openedMS = true, true, true, true, nowMS
		g.say("door_forced_open", nowMS, map[string]any{"contact": "door"})
	case DoorHeld:
		g.held = true
		g.pass(nowMS)
	}
}

func (g *gate) end(f Fault, nowMS int64) {
	switch f {
	case DoorForced:
		g.shut(nowMS)
		g.forced = false
	case DoorHeld:
		g.held = false
		if !g.forced {
			g.shut(nowMS)
		}
	}
}
