package run_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linshao/linshao/protocol/kit/run"
)

func group() *run.Group { return run.NewGroup(slog.New(slog.DiscardHandler), 5*time.Second) }

func TestPartsStopNewestFirst(t *testing.T) {
	t.Parallel()
	g := group()
	var order []string
	for _, name := range []string{"outbox", "uplink", "drivers"} {
		must(t, g.Defer(t.Context(), name, func(context.Context) error {
			order = append(order, name)
			return nil
		}))
	}
	must(t, g.Stop(t.Context()))
	if want := []string{"drivers", "uplink", "outbox"}; !slices.Equal(order, want) {
		t.Errorf("stopped %v", order)
	}
}

func TestOneFailureDoesNotKeepTheOthers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		g := group()
		stopped := false
		disk := errors.New("disk is gone")
		must(t, g.Defer(t.Context(), "oldest", func(context.Context) error { stopped = true; return nil }))
		must(t, g.Defer(t.Context(), "broken", func(context.Context) error { return disk }))
		release := make(chan struct{})
		must(t, g.Defer(t.Context(), "stuck", func(context.Context) error { <-release; return nil }))
		start := time.Now()
		err := g.Stop(t.Context())
		if !stopped || !errors.Is(err, disk) || err == nil {
			t.Errorf("stopped %v, error %v", stopped, err)
		}
		if waited := time.Since(start); waited > 6*time.Second {
			t.Errorf("a stuck part held the others for %v", waited)
		}
		close(release)
	})
}

func TestStopIsIdempotentAndSaysTheSame(t *testing.T) {
	t.Parallel()
	g := group()
	calls := 0
	must(t, g.Defer(t.Context(), "part", func(context.Context) error { calls++; return errors.New("no") }))
	first, second := g.Stop(t.Context()), g.Stop(t.Context())
	if calls != 1 || first == nil || !errors.Is(first, second) {
		t.Errorf("%d calls, %v, %v", calls, first, second)
	}
}

func TestACancelledContextStillStopsInOrder(t *testing.T) {
	t.Parallel()
	g := group()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var alive error
	must(t, g.Defer(t.Context(), "outbox", func(ctx context.Context) error { alive = ctx.Err(); return nil }))
	must(t, g.Stop(ctx))
	if alive != nil {
		t.Error("the part was given a context already ended")
	}
}

type service struct{ startErr error }

func (s service) Start(context.Context) error { return s.startErr }
func (s service) Stop(context.Context) error {
	return errors.New("stopped a service that never started")
}

func TestAServiceThatFailsToStartIsNotStopped(t *testing.T) {
	t.Parallel()
	g := group()
	if err := g.Start(t.Context(), "broker", service{errors.New("port taken")}); err == nil {
		t.Error("no error")
	}
	must(t, g.Stop(t.Context()))
}

func TestBackgroundPartEndsWithTheGroup(t *testing.T) {
	t.Parallel()
	g := group()
	must(t, g.Go(t.Context(), "loop", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }))
	must(t, g.Go(t.Context(), "one-shot", func(context.Context) error { return nil }))
	must(t, g.Stop(t.Context()))
	select {
	case <-g.Failed():
		t.Error("being stopped is no failure")
	default:
	}
}

func TestBackgroundFailureIsSeen(t *testing.T) {
	t.Parallel()
	g := group()
	broken := errors.New("broken")
	must(t, g.Go(t.Context(), "loop", func(context.Context) error { return broken }))
	<-g.Failed()
	if !errors.Is(g.Cause(), broken) {
		t.Errorf("cause %v", g.Cause())
	}
	if err := g.Stop(t.Context()); !errors.Is(err, broken) {
		t.Errorf("stop said %v", err)
	}
}

// TestStartAndStopAtOnce races many starts against Stop: whatever was started
// must have been stopped when both are over.
func TestStartAndStopAtOnce(t *testing.T) {
	t.Parallel()
	for range 200 {
		g := group()
		var alive atomic.Int32
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				err := g.Go(t.Context(), fmt.Sprint(i), func(ctx context.Context) error {
					alive.Add(1)
					defer alive.Add(-1)
					<-ctx.Done()
					return ctx.Err()
				})
				if err != nil && !errors.Is(err, run.ErrStopping) {
					t.Error(err)
				}
			})
		}
		wg.Go(func() { must(t, g.Stop(t.Context())) })
		wg.Wait()
		if n := alive.Load(); n != 0 {
			t.Fatalf("%d parts left running", n)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
