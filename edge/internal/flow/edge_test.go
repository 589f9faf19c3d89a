package flow_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

const epoch = 1_732_269_600_000

var errDisk = errors.New("disk on fire")

// disk is a Recorder that keeps everything, blocks while it is held, and
// fails as told.
type disk struct {
	mu sync.Mutex
	// alarm and samples are what is durable, appends how often it was asked.
	alarm, samples []envelope.Record
	appends        int
	// fails says whether the n-th Append fails, and whether its alarm records
	// reached the disk all the same.
	fails func(n int) (failed, kept bool)
	// entered gets one value for each Append that begins; while hold is not
	// nil, it ends only after a value came from there, or with its context.
	entered chan struct{}
	hold    chan struct{}
}

func newDisk() *disk { return &disk{entered: make(chan struct{}, 10_000)} }

func (d *disk) Append(ctx context.Context, alarm, samples []envelope.Record) error {
	d.entered <- struct{}{}
	if d.hold != nil {
		select {
		case <-d.hold:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.appends++
	failed, kept := false, true
	if d.fails != nil {
		failed, kept = d.fails(d.appends)
	}
	if kept || !failed {
		for _, r := range alarm {
			r.Transitions = slices.Clone(r.Transitions)
			d.alarm = append(d.alarm, r)
		}
	}
	if failed {
		return errDisk
	}
	for _, r := range samples {
		r.Samples, r.Events = slices.Clone(r.Samples), slices.Clone(r.Events)
		d.samples = append(d.samples, r)
	}
	return nil
}

func (d *disk) asked() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.appends
}

// values returns the recorded Samples in order.
func (d *disk) values() (out []telemetry.Sample) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.samples {
		out = append(out, r.Samples...)
	}
	return out
}

// kinds tells the alarm log as "raise clear …", local ones in brackets.
func (d *disk) kinds() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	var out []byte
	for _, r := range d.alarm {
		open, end := "", ""
		if r.Local {
			open, end = "[", "]"
		}
		if r.Checkpoint != nil {
			out = append(out, (open + "checkpoint" + end + " ")...)
		}
		for _, x := range r.Transitions {
			out = append(out, (open + string(x.Kind) + end + " ")...)
		}
	}
	return string(out)
}

// counts is a Meter.
type counts struct {
	mu sync.Mutex
	n  map[string]int
}

func (c *counts) add(k string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[k] += n
}

func (c *counts) of(k string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n[k]
}

func (c *counts) Sampled(drv, q string, n int) { c.add(drv+"/"+q, n) }
func (c *counts) Found(rule string)            { c.add("found/"+rule, 1) }
func (c *counts) Dropped(reason string, n int) { c.add("dropped/"+reason, n) }
func hold(d time.Duration) (r device.Rule)     { r = hot(); r.For = d; return r }
func sample(metric string, v float64) telemetry.Sample {
	return telemetry.Sample{Key: telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: metric}, Value: v}
}

func hot() device.Rule {
	bound, clear := 85.0, 80.0
	return device.Rule{
		ID: "motor-hot", Kind: "elevator", Metric: "motor_temp", Detector: device.Threshold,
		Above: &bound, Clear: &clear, Severity: ticket.Major, Fault: ticket.Overheat,
	}
}

// edge is a running Flow on a disk, with a clock of its own.
type edge struct {
	t      *testing.T
	flow   *flow.Flow
	disk   *disk
	clock  *clock.Fake
	counts *counts
	cancel context.CancelFunc
	ended  chan error
}

func options(d *disk, c clock.Clock, m flow.Meter, rules []device.Rule) flow.Options {
	profile := &device.Profile{Name: "lift", Kind: "elevator", Protocol: device.Modbus, Points: []device.Point{
		{Name: "motor_temp"}, {Name: "trapped"}, {Name: "inspection"}, {Name: "floor"},
	}, Events: []device.EventDefinition{{Name: "forced"}}}
	return flow.Options{
		Estate: "garden", Edge: "g1", Boot: "b1", Trusted: func() bool { return true }, Clock: c,
		Devices: []device.Device{{ID: "lift-1", Kind: "elevator", Profile: profile, Location: "3号楼1单元"}},
		Rules:   rules, Recorder: d, Meter: m, Log: slog.New(slog.DiscardHandler), Window: -1,
	}
}

// start runs a Flow on what the disk holds.
func start(t *testing.T, d *disk, change func(*flow.Options), rules ...device.Rule) *edge {
	t.Helper()
	e := &edge{t: t, disk: d, clock: clock.NewFake(time.UnixMilli(epoch)), counts: &counts{}, ended: make(chan error, 1)}
	if rules == nil {
		rules = []device.Rule{hot()}
	}
	o := options(d, e.clock, e.counts, rules)
	if change != nil {
		change(&o)
	}
	f, err := flow.New(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range d.alarm {
		if err := f.Recall(r); err != nil {
			t.Fatal(err)
		}
	}
	e.flow = f
	ctx, cancel := context.WithCancel(context.Background())
	e.cancel = cancel
	go func() { e.ended <- f.Run(ctx) }()
	t.Cleanup(func() {
		if e.cancel != nil {
			cancel()
			if err := <-e.ended; err != nil {
				t.Log(err)
			}
		}
	})
	return e
}

// stop ends the Flow in good order.
func (e *edge) stop() error {
	e.cancel()
	e.cancel = nil
	return <-e.ended
}

// put hands over one message, stamped with the edge's time, and returns what
// its Done says.
func (e *edge) put(samples ...telemetry.Sample) <-chan error {
	e.t.Helper()
	return e.batch(driver.Batch{Device: "lift-1", Samples: e.stamp(samples)})
}

func (e *edge) batch(b driver.Batch) <-chan error {
	e.t.Helper()
	done := make(chan error, 1)
	b.Done = func(err error) { done <- err }
	if err := e.flow.Put(context.Background(), b); err != nil {
		e.t.Fatal(err)
	}
	return done
}

func (e *edge) stamp(samples []telemetry.Sample) []telemetry.Sample {
	now := clock.NowMS(e.clock)
	for i := range samples {
		s := &samples[i]
		if s.EdgeMS == 0 {
			s.EdgeMS = now
		}
		if s.AtMS == 0 {
			s.AtMS = now
		}
	}
	return samples
}

// say hands over a message and waits until it is safe.
func (e *edge) say(samples ...telemetry.Sample) {
	e.t.Helper()
	if err := <-e.put(samples...); err != nil {
		e.t.Fatal(err)
	}
}

// pass lets time pass second by second; after each one the judge has ticked.
func (e *edge) pass(d time.Duration) {
	for ; d > 0; d -= time.Second {
		e.clock.BlockUntil(1)
		e.clock.Advance(time.Second)
		e.clock.BlockUntil(1) // the judge has seen it
		e.settle()
	}
}

// settle returns when the judge is done with all that it was given, and the
// disk has been asked.
func (e *edge) settle() {
	e.t.Helper()
	err := e.flow.Remote(context.Background(), []ticket.Transition{})
	if err != nil && !errors.Is(err, errDisk) {
		e.t.Fatal(err)
	}
}

func (e *edge) want(log string) {
	e.t.Helper()
	if got := e.disk.kinds(); got != log {
		e.t.Errorf("the alarm log reads %q, want %q", got, log)
	}
}
