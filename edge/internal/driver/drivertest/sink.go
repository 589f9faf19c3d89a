package drivertest

import (
	"context"
	"sync"

	"github.com/linshao/linshao/edge/internal/driver"
)

// sink is a Sink that a test can fill up, watch and delay.
type sink struct {
	// took receives every batch in the order of Put.
	took chan driver.Batch
	// blocked receives once for each Put that found the sink full.
	blocked chan struct{}

	mu     sync.Mutex // guards what follows
	full   chan struct{}
	held   bool
	dones  []func(error)
	all    []driver.Batch
	closed bool
	after  int
}

var _ driver.Sink = (*sink)(nil)

func newSink() *sink {
	return &sink{took: make(chan driver.Batch, 4096), blocked: make(chan struct{}, 1)}
}

// Put implements driver.Sink.
func (s *sink) Put(ctx context.Context, b driver.Batch) error {
	s.mu.Lock()
	full := s.full
	if s.closed {
		s.after++
	}
	s.mu.Unlock()
	if full != nil {
		select {
		case s.blocked <- struct{}{}:
		default:
		}
		select {
		case <-full:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	s.mu.Lock()
	s.all = append(s.all, b)
	if b.Done != nil && s.held {
		s.dones = append(s.dones, b.Done)
		b.Done = nil
	}
	s.mu.Unlock()
	done := b.Done
	select {
	case s.took <- b:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if done != nil {
		done(nil)
	}
	return nil
}

// fill makes Put block until release.
func (s *sink) fill() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.full = make(chan struct{})
}

// release lets a full sink take again.
func (s *sink) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full != nil {
		close(s.full)
		s.full = nil
	}
}

// holdDone keeps the Dones of what comes until finish.
func (s *sink) holdDone() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = true
}

// finish calls the held Dones in order and holds no more.
func (s *sink) finish(err error) {
	s.mu.Lock()
	dones := s.dones
	s.dones, s.held = nil, false
	s.mu.Unlock()
	for _, done := range dones {
		done(err)
	}
}

// close says that no Put may come any more; late counts those that did.
func (s *sink) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *sink) late() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.after
}

// batches returns all that were taken.
func (s *sink) batches() []driver.Batch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]driver.Batch(nil), s.all...)
}
