package flow_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

func TestAFullFlowMakesDriversWait(t *testing.T) {
	t.Parallel()
	d := newDisk()
	d.hold = make(chan struct{})
	e := start(t, d, func(o *flow.Options) { o.Queue = 1 })
	taken := []<-chan error{e.put(sample("floor", 0))}
	<-d.entered
	for i := range 3 { // one to be recorded, one with the judge, one to be judged
		taken = append(taken, e.put(sample("floor", float64(i))))
	}
	ctx, cancel := context.WithCancel(context.Background())
	refused := make(chan error, 1)
	go func() {
		refused <- e.flow.Put(ctx, driver.Batch{Device: "lift-1", Done: func(error) { t.Error("Done of a Batch that was not taken") }})
	}()
	cancel()
	if err := <-refused; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(d.hold)
	for _, done := range taken {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func TestStoppingRecordsAllThatWasTaken(t *testing.T) {
	t.Parallel()
	d := newDisk()
	d.hold = make(chan struct{})
	e := start(t, d, nil)
	taken := []<-chan error{e.put(sample("motor_temp", 90))}
	<-d.entered
	for i := range 50 {
		taken = append(taken, e.put(sample("floor", float64(i))))
	}
	e.cancel()
	close(d.hold)
	if err := e.stop(); err != nil {
		t.Error(err)
	}
	for _, done := range taken {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := len(d.values()); n != 51 {
		t.Errorf("%d samples on disk", n)
	}
	e.want("raise [checkpoint] ")
	if err := e.flow.Put(context.Background(), driver.Batch{}); !errors.Is(err, flow.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if err := e.flow.Remote(context.Background(), nil); !errors.Is(err, flow.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// A disk that hangs for ever holds the stop up for the grace time only.
func TestStoppingOnADeadDiskEnds(t *testing.T) {
	t.Parallel()
	d := newDisk()
	d.hold = make(chan struct{})
	e := start(t, d, func(o *flow.Options) { o.Queue = 1 })
	done := e.put(sample("motor_temp", 90))
	<-d.entered
	more := e.put(sample("floor", 1))
	e.cancel()
	go func() {
		e.clock.BlockUntil(1)
		for e.cancelled() {
			e.clock.Advance(time.Second)
		}
	}()
	err := <-e.ended
	e.ended <- err
	if err == nil {
		t.Error("a lost raise is no error")
	}
	for _, c := range []<-chan error{done, more} {
		if err := <-c; err == nil {
			t.Error("acknowledged what is on no disk")
		}
	}
}

// A disk that refuses for so long that too much is owed to it: drivers wait,
// and stopping still ends.
func TestTooMuchOwedMakesDriversWaitAndStops(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		d.fails = func(int) (bool, bool) { return true, false }
		rule := device.Rule{ID: "forced", Event: "forced", Detector: device.OnEvent, Severity: ticket.Critical, Fault: ticket.Duress}
		e := start(t, d, func(o *flow.Options) { o.Queue = 1 }, rule)
		var waiting <-chan error
		for i := 0; waiting == nil; i++ {
			if i > 4000 {
				t.Fatal("everything was taken, and nothing recorded")
			}
			ev := telemetry.Event{Device: "lift-1", Name: "forced", AtMS: epoch + int64(i)}
			done := e.batch(driver.Batch{Device: "lift-1", Events: []telemetry.Event{ev}})
			synctest.Wait()
			select {
			case err := <-done:
				if err == nil {
					t.Fatal("acknowledged what is on no disk")
				}
			default:
				waiting = done
			}
			e.clock.Advance(31 * time.Second)
			synctest.Wait()
			for len(d.entered) > 0 {
				<-d.entered
			}
		}
		e.cancel()
		e.cancel = nil
		for range 2 { // the grace ends; then the retry that was under way does
			synctest.Wait()
			e.clock.Advance(time.Minute)
		}
		if err := <-e.ended; err == nil {
			t.Error("lost transitions are no error")
		}
		if err := <-waiting; err == nil {
			t.Error("acknowledged what is on no disk")
		}
	})
}

// cancelled reports whether Run has not returned yet, letting others run.
func (e *edge) cancelled() bool {
	select {
	case err := <-e.ended:
		e.ended <- err
		return false
	case <-time.After(time.Millisecond):
		return true
	}
}

// Whoever's Put returned nil is answered exactly once, whatever happens.
func TestEveryBatchTakenIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	for range 20 {
		d := newDisk()
		d.fails = func(n int) (bool, bool) { return n%3 == 0, n%2 == 0 }
		e := start(t, d, func(o *flow.Options) { o.Queue = 4 })
		var taken, answered atomic.Int64
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for i := 0; ; i++ {
					b := driver.Batch{Device: "lift-1", Samples: []telemetry.Sample{sample("motor_temp", float64(80+i%2*10))}}
					b.Done = func(error) { answered.Add(1) }
					if e.flow.Put(context.Background(), b) != nil {
						return
					}
					taken.Add(1)
				}
			})
		}
		for taken.Load() < 100 {
			<-d.entered
		}
		_ = e.stop()
		wg.Wait()
		if taken.Load() != answered.Load() {
			t.Fatalf("%d taken, %d answered", taken.Load(), answered.Load())
		}
	}
}

// Whatever the disk does, and wherever the power is cut: what is on disk is
// what happened, up to some instant, and never two open tickets of one key.
func TestTheAlarmLogIsAPrefixOfWhatHappened(t *testing.T) {
	t.Parallel()
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 2))
	d := newDisk()
	var mu sync.Mutex
	d.fails = func(int) (bool, bool) {
		mu.Lock()
		defer mu.Unlock()
		return rnd.IntN(2) == 0, rnd.IntN(2) == 0
	}
	e := start(t, d, nil)
	// states are those that the edge was in.
	states := map[string]bool{}
	note := func() { states[brief(e.flow.Open())] = true }
	note()
	for i := range 40 {
		if err := <-e.put(sample("motor_temp", float64(60+i%2*30))); err != nil && !errors.Is(err, errDisk) {
			t.Fatal(err)
		}
		note()
		if open := e.flow.Open(); i%7 == 6 && len(open) > 0 {
			x := remote(ticket.Resolve, open[0].ID)
			x.Stamp.WallMS = epoch + int64(i)*40_000
			_ = e.flow.Remote(context.Background(), []ticket.Transition{x})
			note()
		}
		for range 4 {
			e.pass(10 * time.Second)
			note()
		}
	}
	alarm := d.alarm
	for cut := range alarm {
		f, err := flow.New(options(newDisk(), e.clock, e.counts, nil))
		if err != nil {
			t.Fatal(err)
		}
		keys := map[ticket.Key]bool{}
		for _, r := range alarm[:cut+1] {
			if err := f.Recall(r); err != nil {
				t.Fatal(err)
			}
		}
		for _, x := range f.Open() {
			if keys[x.Key()] {
				t.Fatalf("seed %d, cut %d: two open tickets of %s", seed, cut, x.Key())
			}
			keys[x.Key()] = true
		}
		if !states[brief(f.Open())] {
			t.Fatalf("seed %d, cut %d: a state that never was: %s", seed, cut, brief(f.Open()))
		}
	}
}

func brief(open []ticket.Ticket) string {
	s := ""
	for _, x := range open {
		s += fmt.Sprintln(x.ID, x.State, x.Condition, x.Occurrences, x.AcceptedMS, x.ClearedMS)
	}
	return s
}
