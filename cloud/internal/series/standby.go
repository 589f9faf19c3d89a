package series

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"
)

// Standby stands in for a Store that is not open yet, so that alarms need not
// wait until a log of samples has been replayed, and opens it anew when it
// breaks. While there is no Store every method answers ErrNotReady.
type Standby struct {
	open   func(context.Context) (Store, error)
	opened func(context.Context, Store)
	log    *slog.Logger
	broken chan struct{}

	mu    sync.RWMutex
	store Store // nil: not open
}

var (
	_ Store      = (*Standby)(nil)
	_ Prometheus = (*Standby)(nil)
)

// NewStandby makes a Standby; Run opens the Store with open and hands it to
// opened (may be nil), which may read from it at leisure.
func NewStandby(open func(context.Context) (Store, error), opened func(context.Context, Store), log *slog.Logger) *Standby {
	return &Standby{open: open, opened: opened, log: log, broken: make(chan struct{}, 1)}
}

const (
	firstRetry = 200 * time.Millisecond
	lastRetry  = 2 * time.Second
)

// Run opens the Store, again whenever that fails or it breaks, and returns
// when ctx ends, with the Store closed.
func (s *Standby) Run(ctx context.Context) error {
	wait := firstRetry
	for ctx.Err() == nil {
		store, err := s.open(ctx)
		if err == nil {
			wait = firstRetry
			s.serve(ctx, store)
			continue
		}
		s.log.Error("the series store does not open, samples stay at the edges", "err", err, "retry_in", wait)
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, lastRetry)
	}
	return nil
}

// serve lends store out until it breaks or ctx ends.
func (s *Standby) serve(ctx context.Context, store Store) {
	s.swap(store)
	if s.opened != nil {
		s.opened(ctx, store)
	}
	select {
	case <-ctx.Done():
	case <-s.broken:
		s.log.Error("the series store broke and is opened anew")
	}
	s.swap(nil)
	if err := store.Close(); err != nil {
		s.log.Error("close the series store", "err", err)
	}
	select { // what broke was this store, not the next
	case <-s.broken:
	default:
	}
}

// swap waits for those who use the old store.
func (s *Standby) swap(store Store) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.store = store
}

// Ready reports whether the Store is open.
func (s *Standby) Ready() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.store != nil
}

// Append implements Store.
func (s *Standby) Append(ctx context.Context, batches []Batch) (Tally, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.store == nil {
		return Tally{}, ErrNotReady
	}
	t, err := s.store.Append(ctx, batches)
	if errors.Is(err, ErrBroken) {
		select {
		case s.broken <- struct{}{}:
		default:
		}
	}
	return t, err
}

// Range implements Store.
func (s *Standby) Range(ctx context.Context, sel Selector, fromMS, toMS, stepMS int64) ([]Point, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.store == nil {
		return nil, ErrNotReady
	}
	return s.store.Range(ctx, sel, fromMS, toMS, stepMS)
}

// Newest implements Store.
func (s *Standby) Newest(ctx context.Context, sinceMS int64) ([]Newest, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.store == nil {
		return nil, ErrNotReady
	}
	return s.store.Newest(ctx, sinceMS)
}

// Prometheus implements Prometheus: 503 while there is no Store, 501 where the
// backend cannot.
func (s *Standby) Prometheus(scope Scope) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.RLock()
		defer s.mu.RUnlock()
		p, able := s.store.(Prometheus)
		switch {
		case s.store == nil:
			http.Error(w, ErrNotReady.Error(), http.StatusServiceUnavailable)
		case !able:
			http.Error(w, "this series backend does not answer PromQL", http.StatusNotImplemented)
		default:
			p.Prometheus(scope).ServeHTTP(w, r)
		}
	})
}

// Close implements Store; it is Run that closes what it opened.
func (s *Standby) Close() error { return nil }
