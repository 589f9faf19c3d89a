package simulation

import (
	"os"
	"slices"
	"time"
)

// healWithin is how long everything may take once faults stopped: the
// longest pause of an uplink, the longest back-off of a page, and all
// steps of an escalation.
const healWithin = 8 * time.Minute

// live lets the run happen until all should be done.
func (w *World) live() {
	w.work()
	if !w.o.Calm {
		w.plague()
	}
	w.bus.Run(w.o.For)
	if !w.o.Liveness && !w.o.Calm {
		w.blackout(w.dice("blackout"))
		w.bus.Run(w.bus.Now() + 5*time.Second)
	}
	w.heal()
	w.bus.Run(w.bus.Now() + healWithin)
}

// outcome is what the run showed until now.
func (w *World) outcome() Outcome {
	slices.Sort(w.out.Violations)
	w.out.Trace = w.sum.Sum64()
	w.out.Told, w.out.Faults, w.out.Restarts = w.told, w.faults, w.restarts
	w.out.Delivered, w.out.Bus, w.out.Timers = int(w.net.Delivered()), int(w.bus.Events()), int(w.fires.Load()) //nolint:gosec // counts
	return w.out
}

// close ends everything and waits until it is gone.
func (w *World) close() {
	w.stop()
	for _, d := range w.devices {
		d.drop()
	}
	w.client.CloseIdleConnections()
	_ = w.pager.server.Close()
	w.pager.phone.CloseIdleConnections()
	done := make(chan struct{})
	go func() { w.wg.Wait(); close(done) }()
	for over := false; !over; {
		w.bus.Run(w.bus.Now() + 100*time.Millisecond)
		select {
		case <-done:
			over = true
		default:
		}
	}
	_ = os.RemoveAll(w.dir)
}
