// Package drivertest is the suite that every Driver runs: it holds the
// promises of package driver against a real peer.
//
//	func TestContract(t *testing.T) {
//		drivertest.Run(t, func(t *testing.T, sink driver.Sink) drivertest.Bench { … })
//	}
//
// The suite waits for signals only, under one generous limit per wait; it may
// run over real sockets or inside a synctest bubble alike.
package drivertest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/telemetry"
)

// patience bounds every wait; it only ever passes when a promise is broken.
const patience = 20 * time.Second

// Bench is a driver with one device to play with, ready but not yet running.
type Bench struct {
	Driver driver.Driver
	// Device and Metric name the series that Say moves.
	Device, Metric string
	// Say makes the device show a value. For a device that publishes it
	// returns once the message is written, not once it is acknowledged. It is
	// called from other goroutines too, one call at a time, and bears being
	// called while the driver is full or has stopped.
	Say func(v float64)
	// Break makes the device unreachable, or its readings fail; Mend makes it
	// whole again.
	Break, Mend func()
	// Acked, where the protocol acknowledges what a device says, returns how
	// many values of Say the device was told are safe. Else nil.
	Acked func() int
}

// Build makes a fresh Bench whose driver delivers to sink. What it starts
// besides the driver it ends by t.Cleanup.
type Build func(t *testing.T, sink driver.Sink) Bench

// Run runs the suite, each promise on a fresh Bench.
func Run(t *testing.T, build Build) {
	for name, promise := range map[string]func(*testing.T, *rig){
		"what a device says arrives in order":         order,
		"reachability is told at once and on change":  online,
		"a failure is never a value":                  failure,
		"a full sink slows the driver, loses nothing": backPressure,
		"stop waits and is final":                     stop,
		"stop does not wait for a full sink":          stopFull,
		"nothing is acknowledged before Done":         acknowledge,
		"a batch is of one device and Done is lawful": shape,
	} {
		t.Run(name, func(t *testing.T) { promise(t, begin(t, build)) })
	}
}

// rig is a running Bench with the sink that the suite owns.
type rig struct {
	Bench
	*sink
	t      *testing.T
	cancel context.CancelFunc
	ended  chan error
}

func begin(t *testing.T, build Build) *rig {
	t.Helper()
	s := newSink()
	r := &rig{Bench: build(t, s), sink: s, t: t, ended: make(chan error, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	r.cancel = cancel
	go func() { r.ended <- r.Driver.Run(ctx) }()
	t.Cleanup(func() {
		s.release()
		r.halt()
	})
	return r
}

// halt stops the driver and waits for it.
func (r *rig) halt() {
	r.t.Helper()
	r.cancel()
	select {
	case err := <-r.ended:
		if err != nil {
			r.t.Errorf("Run: %v", err)
		}
		r.ended <- nil // for who asks again
	case <-time.After(patience):
		r.t.Fatal("Run did not return")
	}
}

// until reads samples until one satisfies want, and returns it.
func (r *rig) until(what string, want func(telemetry.Sample) bool) telemetry.Sample {
	r.t.Helper()
	limit := time.After(patience)
	for {
		select {
		case b := <-r.took:
			for _, s := range b.Samples {
				if want(s) {
					return s
				}
			}
		case <-limit:
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

// value waits for a good Sample of that value.
func (r *rig) value(v float64) telemetry.Sample {
	r.t.Helper()
	return r.until("a value", func(s telemetry.Sample) bool {
		return s.Key.Metric == r.Metric && s.Quality == telemetry.Good && s.Value == v
	})
}

// reach waits for the device to be reported online (1) or offline (0).
func (r *rig) reach(v float64) {
	r.t.Helper()
	r.until("reachability", func(s telemetry.Sample) bool {
		return s.Key.Metric == driver.Online && s.Value == v && s.Quality == telemetry.Good
	})
}

func order(t *testing.T, r *rig) {
	seen, at := 0.0, int64(0)
	go func() {
		for v := range 30 {
			r.Say(float64(v + 1))
		}
	}()
	r.until("the last value", func(s telemetry.Sample) bool {
		if s.Key.Metric != r.Metric || s.Quality != telemetry.Good {
			return false
		}
		if s.Value < seen || s.AtMS < at {
			t.Errorf("%v at %d after %v at %d", s.Value, s.AtMS, seen, at)
		}
		seen, at = s.Value, s.AtMS
		return s.Value == 30
	})
}

func online(_ *testing.T, r *rig) {
	r.Say(1)
	r.reach(1)
	r.Break()
	r.reach(0)
	r.Mend()
	r.reach(1)
}

func failure(t *testing.T, r *rig) {
	r.Say(42)
	r.value(42)
	r.Break()
	r.until("a verdict", func(s telemetry.Sample) bool {
		switch {
		case s.Quality == telemetry.Bad:
			if s.Reason == "" || s.Value != 0 || s.Text != "" {
				t.Errorf("a bad sample needs a reason and has no value: %+v", s)
			}
			return true
		case s.Key.Metric == driver.Online:
			return s.Value == 0
		case s.Key.Metric == r.Metric && s.Value != 42:
			t.Errorf("a broken device said %v", s.Value)
		}
		return false
	})
	r.Mend()
	r.Say(43)
	r.value(43)
}

func backPressure(_ *testing.T, r *rig) {
	r.Say(1)
	r.value(1)
	r.fill()
	said := make(chan struct{})
	go func() {
		defer close(said)
		for v := range 20 {
			r.Say(float64(v + 2))
		}
	}()
	<-r.blocked // the driver stands still in Put
	r.release()
	r.value(21)
	<-said
}

func stop(t *testing.T, r *rig) {
	r.Say(1)
	r.value(1)
	r.halt()
	r.close()
	r.Say(2)
	if n := r.late(); n != 0 {
		t.Errorf("%d batches after Run had returned", n)
	}
}

func stopFull(_ *testing.T, r *rig) {
	r.Say(1)
	r.value(1)
	r.fill()
	go r.Say(2)
	<-r.blocked
	r.halt() // while still full
}

func acknowledge(t *testing.T, r *rig) {
	if r.Acked == nil {
		t.Skip("the protocol acknowledges nothing")
	}
	r.holdDone()
	go r.Say(1)
	r.value(1)
	if n := r.Acked(); n != 0 {
		t.Errorf("%d values acknowledged that are on no disk", n)
	}
	r.finish(nil)
	limit := time.After(patience)
	for r.Acked() != 1 {
		select {
		case <-limit:
			t.Fatalf("%d values acknowledged after Done", r.Acked())
		case <-time.After(time.Millisecond):
		}
	}
}

func shape(t *testing.T, r *rig) {
	r.holdDone()
	go r.Say(1)
	s := r.value(1)
	if s.Key.Device != r.Device || s.Key.Kind == "" || s.EdgeMS == 0 || s.AtMS == 0 {
		t.Errorf("an incomplete sample: %+v", s)
	}
	if at, marks := telemetry.EffectiveTime(s.DeviceMS, s.EdgeMS); at != s.AtMS || marks.Has(telemetry.ReceiveTime) != s.Marks.Has(telemetry.ReceiveTime) {
		t.Errorf("the effective time is not EffectiveTime's: %+v", s)
	}
	for _, b := range r.batches() {
		for _, x := range b.Samples {
			if x.Key.Device != b.Device {
				t.Errorf("%s in a batch of %s", x.Key.Device, b.Device)
			}
		}
	}
	// A commit that failed must neither block nor break the driver.
	r.finish(errors.New("the disk is full"))
	r.Mend()
	r.Say(2)
	r.value(2)
}
