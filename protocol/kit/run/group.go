// Package run starts and stops the parts of a daemon. Parts are torn down last
// born first, each by name and within a time of its own, and every error is
// reported: one part that hangs or fails never keeps the others from stopping.
//
//	g := run.NewGroup(log, 5*time.Second)
//	defer g.Stop(...)
//	if err := g.Start(ctx, "outbox", outbox); err != nil { … }
//	g.Go("uplink", uplink.Run)
//	select { case <-ctx.Done(): case <-g.Failed(): }
//
// It starts no goroutine that it does not wait for, and never exits the process.
package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Service is a part with a life of its own. Start returns once the part is
// ready to be used, Stop once everything it started is gone or its context has
// ended. Stop is called at most once, and only after a Start that returned nil.
type Service interface {
	Start(ctx context.Context) error
	Stop(ctx context.Context) error
}

// Group is a stack of running parts. Its methods are safe for concurrent use.
type Group struct {
	log *slog.Logger
	// each bounds the stopping of one part.
	each   time.Duration
	failed chan struct{}

	mu sync.Mutex
	// stack holds the parts alive, oldest first.
	stack []part
	// stopping forbids new parts.
	stopping bool
	// cause is the first failure of a background part.
	cause error

	once    sync.Once
	stopped error // set by once
}

type part struct {
	name string
	stop func(context.Context) error
}

// ErrStopping is returned to those who would add a part to a Group that stops.
var ErrStopping = errors.New("group is stopping")

// NewGroup returns an empty Group that gives each part `each` to stop.
func NewGroup(log *slog.Logger, each time.Duration) *Group {
	return &Group{log: log, each: each, failed: make(chan struct{})}
}

// Defer registers a clean-up, to be called right after what it undoes. If the
// Group already stops, the clean-up runs at once, so nothing is left behind,
// and ErrStopping is returned.
func (g *Group) Defer(ctx context.Context, name string, stop func(context.Context) error) error {
	g.mu.Lock()
	if !g.stopping {
		g.stack = append(g.stack, part{name, stop})
		g.mu.Unlock()
		return nil
	}
	g.mu.Unlock()
	return errors.Join(ErrStopping, g.stopOne(ctx, part{name, stop}))
}

// Start starts s and registers its Stop.
func (g *Group) Start(ctx context.Context, name string, s Service) error {
	if err := s.Start(ctx); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	return g.Defer(ctx, name, s.Stop)
}

// Go runs f in a goroutine that the Group owns: Stop cancels f's context and
// waits for its return. Should f return before, the Group has Failed, unless it
// returned nil.
func (g *Group) Go(ctx context.Context, name string, f func(context.Context) error) error {
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		err := f(inner)
		if err != nil && inner.Err() == nil {
			g.fail(fmt.Errorf("%s: %w", name, err))
		}
		if inner.Err() != nil && errors.Is(err, context.Canceled) {
			err = nil
		}
		done <- err
	}()
	return g.Defer(ctx, name, func(ctx context.Context) error {
		cancel()
		select {
		case err := <-done:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
}

func (g *Group) fail(err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.cause != nil {
		return
	}
	g.cause = err
	close(g.failed)
}

// Failed is closed when a part given to Go returns an error unasked.
func (g *Group) Failed() <-chan struct{} { return g.failed }

// Cause is the first such error, nil before.
func (g *Group) Cause() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cause
}

// Stop stops all parts, newest first, and returns their errors joined. Later
// calls wait for the first and return the same. Values of ctx are used, its end
// is not: a daemon told to hurry still stops in order, each part bounded by the
// Group's own limit.
func (g *Group) Stop(ctx context.Context) error {
	g.once.Do(func() {
		g.mu.Lock()
		g.stopping = true
		stack := g.stack
		g.stack = nil
		g.mu.Unlock()
		var errs []error
		for i := len(stack) - 1; i >= 0; i-- {
			errs = append(errs, g.stopOne(ctx, stack[i]))
		}
		g.stopped = errors.Join(errs...)
	})
	return g.stopped
}

// stopOne stops p, but waits no longer than the limit even if p ignores its
// context: the goroutine left behind then is reported by name.
func (g *Group) stopOne(ctx context.Context, p part) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.each)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- p.stop(ctx) }()
	var err error
	select {
	case err = <-done:
	case <-ctx.Done():
		select {
		case err = <-done: // it heeded its context
		case <-time.After(g.each / 8):
			err = fmt.Errorf("still running after %v", g.each)
		}
	}
	if err != nil {
		g.log.Error("part did not stop cleanly", "part", p.name, "err", err)
		return fmt.Errorf("stop %s: %w", p.name, err)
	}
	g.log.Debug("part stopped", "part", p.name)
	return nil
}
