package demo

import (
	"context"
	"time"

	"github.com/linshao/linshao/simulators/estate"
)

// scene is one thing that goes wrong, at a time after READY.
type scene struct {
	at     time.Duration
	fault  estate.Fault
	device string // estate:device
}

// firstFault is early enough for a ticket within 90 s of READY, late enough to
// look around before.
const firstFault = 40 * time.Second

// encore is how long after its beginning the story starts over.
const encore = 20 * time.Minute

// story is what happens in a demo that nobody touches: the lift first, then
// one of everything, in turn in the estates.
func story(s *site) []scene {
	wanted := []struct {
		at    time.Duration
		fault estate.Fault
		nth   int // of the devices that can have it
	}{
		{firstFault, estate.Entrapment, 1},
		{3 * time.Minute, estate.DoorForced, 0},
		{5 * time.Minute, estate.RobotStuck, 0},
		{8 * time.Minute, estate.OverheatDrift, 0},
		{11 * time.Minute, estate.DoorHeld, 0},
		{14 * time.Minute, estate.DeviceSilent, 0},
	}
	var out []scene
	for i, w := range wanted {
		p := s.estates[i%len(s.estates)]
		able := candidates(p, w.fault)
		out = append(out, scene{w.at, w.fault, p.ID + ":" + able[w.nth%len(able)].ID})
	}
	return out
}

func candidates(p *place, f estate.Fault) []estate.Device {
	var out []estate.Device
	for _, d := range p.plan.Devices {
		for _, can := range estate.Faults(d.Kind) {
			if can == f {
				out = append(out, d)
			}
		}
	}
	return out
}

// tell plays the story from now on, over and over, until ctx ends.
func (t *teller) tell(ctx context.Context, scenes []scene) error {
	for began := time.Now(); ; began = began.Add(encore) {
		for _, sc := range scenes {
			if !waitUntil(ctx, began.Add(sc.at)) {
				return nil
			}
			t.bring(sc.fault, sc.device)
		}
		if !waitUntil(ctx, began.Add(encore)) {
			return nil
		}
	}
}

func waitUntil(ctx context.Context, at time.Time) bool {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
