// Package flow is the way of a Sample through the edge: it takes Batches from
// drivers, has them judged (package detect), turned into tickets (package
// triage) and recorded, and only then tells the driver that they are safe. It
// is the one place on the edge that knows this order.
//
// Two goroutines do the work. The judge owns all detector and ticket state
// and handles one Batch after the other, so that equal input gives equal
// tickets. The committer takes whatever is judged while the commit before it
// ran as one group: it commits at once when idle, and under load the groups
// grow until they pay for the disk. Where many small commits would wear out
// flash, a group of samples waits for company for a while (window); what
// concerns an alarm never does, and takes along what waits.
//
// Guarantees:
//
//   - Batch.Done(nil) means that all Samples and Events of the Batch and all
//     Transitions they caused are durable. Done is called once per Batch, in
//     the order of Put.
//   - A group that can't be recorded is answered with Done(error). Its
//     Transitions are not taken back, because people may see them already:
//     they are recorded before anything that follows. So the alarm log is at
//     any time a prefix of what happened here, and replaying it (Recall) gives
//     a state the edge was in.
//   - Nothing is dropped to keep up: Put blocks.
//   - Time in which the disk stood still does not count as silence of devices.
//   - Samples older than the newest of their series are marked Historical,
//     stored, and neither judged nor latest. What counts as new is known since
//     this start only.
//
// Values that are words have no place in a series: they are in Latest and in
// the count of what was not kept, with the reason "text".
package flow

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linshao/linshao/edge/internal/detect"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/edge/internal/triage"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// ErrClosed is Put's and Remote's answer once the Flow stops.
var ErrClosed = errors.New("flow is closed")

// Recorder is the edge's memory; the outbox is one.
//
// Append returns nil once all records are durable, alarm no later than
// samples; an error means that any part of them may be or may not be. An error
// with a method AlarmDurable() bool that returns true says that the alarm
// records are durable and only the samples are not. It is
// called by one goroutine at a time and must not keep the records after it
// returned. ctx ends only when the edge can't wait any longer.
type Recorder interface {
	Append(ctx context.Context, alarm, samples []envelope.Record) error
}

// Meter counts. Its methods must not block; package metrics has one.
type Meter interface {
	// Sampled counts Samples that became durable.
	Sampled(driver, quality string, n int)
	// Found counts conditions that became active.
	Found(rule string)
	// Dropped counts what was not kept.
	Dropped(reason string, n int)
}

// Options are what a Flow is made of. Every field without a default named
// here must be set.
type Options struct {
	Estate, Edge string
	// Boot identifies this run; Trusted says whether the wall clock may be
	// believed now.
	Boot    string
	Trusted func() bool
	Clock   clock.Clock
	// Skew completes an Origin by what was measured of its clock; nil: nothing
	// was. Jumped is told by how much the wall clock was set while the Flow
	// runs; it may be nil and must not block.
	Skew   func(telemetry.Origin) telemetry.Origin
	Jumped func(by time.Duration)
	// Devices and Rules (those of the estate's file) decide what is judged.
	Devices  []device.Device
	Rules    []device.Rule
	Recorder Recorder
	Meter    Meter
	Log      *slog.Logger
	// Queue is how many Batches may wait to be judged, and how many to be
	// recorded: 256.
	Queue int
	// Quiet is triage.Config.Quiet: 30 s.
	Quiet time.Duration
	// Window is how long a group of samples may wait for company when flash
	// would otherwise wear out: 200 ms. Negative: none ever waits.
	Window time.Duration
	// Grace is how long the last commit may take when the Flow stops: 5 s.
	Grace time.Duration
}

// Flow is a driver.Sink. Make it with New, feed the recorded past to Recall,
// then Run it. All methods but Recall and Run are safe for concurrent use.
type Flow struct {
	o        Options
	bank     *detect.Bank
	triage   *triage.Triage
	subjects subjects
	order    Order
	open     atomic.Pointer[[]ticket.Ticket]
	recalled int
	// wall notices that the wall clock is set; it belongs to whoever asks for
	// origin.
	wall wall

	// gate is held for reading while something is put into in, and for
	// writing while closed becomes true; so nothing enters a Flow that has
	// drained.
	gate    sync.RWMutex
	closed  bool
	closing chan struct{}
	in      chan arrival
	// judged is in the order of in. Only the judge sends.
	judged chan verdict
}

// arrival is what waits to be judged: a Batch, or Transitions of the cloud.
type arrival struct {
	batch  driver.Batch
	remote []ticket.Transition
	done   func(error)
}

var _ driver.Sink = (*Flow)(nil)

// New checks the rules and returns a Flow that knows of no ticket.
func New(o Options) (*Flow, error) {
	setDefault(&o.Queue, 256)
	setDefault(&o.Quiet, 30*time.Second)
	setDefault(&o.Grace, 5*time.Second)
	setDefault(&o.Window, 200*time.Millisecond)
	if o.Skew == nil {
		o.Skew = func(o telemetry.Origin) telemetry.Origin { return o }
	}
	if o.Jumped == nil {
		o.Jumped = func(time.Duration) {}
	}
	bank, err := detect.New(o.Rules, o.Devices)
	if err != nil {
		return nil, fmt.Errorf("build detectors: %w", err)
	}
	f := &Flow{
		o: o, bank: bank,
		triage:   triage.New(triage.Config{Estate: o.Estate, Edge: o.Edge, Quiet: o.Quiet, Mint: ticket.NewID}),
		subjects: newSubjects(o),
		closing:  make(chan struct{}),
		in:       make(chan arrival, o.Queue),
		judged:   make(chan verdict, o.Queue),
	}
	f.publish()
	return f, nil
}

func setDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Put implements driver.Sink.
func (f *Flow) Put(ctx context.Context, b driver.Batch) error {
	return f.enter(ctx, arrival{batch: b, done: b.Done})
}

// Remote takes Transitions that were made in the cloud. It returns nil once
// those that concern tickets of this edge are durable here; others are
// nothing to keep. After an error they should be sent again, which is safe.
func (f *Flow) Remote(ctx context.Context, ts []ticket.Transition) error {
	done := make(chan error, 1)
	if err := f.enter(ctx, arrival{remote: ts, done: func(err error) { done <- err }}); err != nil {
		return err
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("keep transitions of the cloud: %w", context.Cause(ctx))
	}
}

func (f *Flow) enter(ctx context.Context, a arrival) error {
	f.gate.RLock()
	defer f.gate.RUnlock()
	if f.closed {
		return ErrClosed
	}
	select {
	case f.in <- a:
		return nil
	case <-f.closing:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("wait for room: %w", context.Cause(ctx))
	}
}

// Run judges and records until ctx ends, then everything that was taken. It
// returns an error if something that happened could not be recorded.
func (f *Flow) Run(ctx context.Context) error {
	lasting, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	recorded := make(chan error, 1)
	c := newCommitter(f.o, f.judged)
	go func() { recorded <- c.run(lasting) }()

	j := newJudge(f)
	j.run(ctx)

	// From here on there is only so much time, however the disk fares.
	over := make(chan struct{})
	var wg sync.WaitGroup
	t := f.o.Clock.NewTimer(f.o.Grace)
	defer t.Stop()
	wg.Go(func() {
		select {
		case <-t.C():
			cancel()
		case <-over:
		}
	})
	f.shut()
	for a := range f.in {
		j.take(a)
	}
	j.checkpoint()
	close(f.judged)
	err := <-recorded
	close(over)
	wg.Wait()
	return err
}

// shut lets nobody in any more. Those who wait for room are told.
func (f *Flow) shut() {
	close(f.closing)
	f.gate.Lock()
	defer f.gate.Unlock()
	f.closed = true
	close(f.in)
}

// origin is this instant. It is asked for by Recall, then by the judge.
func (f *Flow) origin() telemetry.Origin {
	o := telemetry.Origin{Boot: f.o.Boot, MonoMS: f.o.Clock.Mono().Milliseconds(), EdgeMS: clock.NowMS(f.o.Clock)}
	if by := f.wall.jumped(o.EdgeMS - o.MonoMS); by != 0 {
		f.o.Jumped(time.Duration(by) * time.Millisecond)
	}
	o.ClockTrusted = f.o.Trusted()
	return f.o.Skew(o)
}

// wall is how far the wall clock is ahead of the monotonic one.
type wall struct {
	seen    bool
	aheadMS int64
}

// jumpMS is by how much a wall clock must part from the monotonic one at once
// to have been set: what a time server slews is a thousandth of it.
const jumpMS = 1000

// jumped returns by how many ms the wall clock was set since the last look, 0 if
// it was not.
func (w *wall) jumped(aheadMS int64) int64 {
	by := aheadMS - w.aheadMS
	if !w.seen {
		by = 0
	}
	w.seen, w.aheadMS = true, aheadMS
	if by > -jumpMS && by < jumpMS {
		return 0
	}
	return by
}

// Latest returns the newest Sample of each series of a device, by metric,
// words included.
func (f *Flow) Latest(dev string) []telemetry.Sample { return f.order.Latest(dev) }

// publish shows the open tickets to readers.
func (f *Flow) publish() {
	open := f.triage.Open()
	f.open.Store(&open)
}

// Open returns the tickets somebody still has to act on, worst first. The
// values must not be changed.
func (f *Flow) Open() []ticket.Ticket { return *f.open.Load() }
