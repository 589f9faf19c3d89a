package series_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linshao/linshao/cloud/internal/series"
)

// fragile is a Store that breaks when told to.
type fragile struct {
	fail   error
	closed bool
}

func (f *fragile) Append(context.Context, []series.Batch) (series.Tally, error) {
	return series.Tally{Stored: 1}, f.fail
}

func (f *fragile) Range(context.Context, series.Selector, int64, int64, int64) ([]series.Point, error) {
	return []series.Point{{AtMS: 1}}, nil
}
func (f *fragile) Newest(context.Context, int64) ([]series.Newest, error) { return nil, nil }
func (f *fragile) Close() error                                           { f.closed = true; return nil }

func TestStandbyOpensTriesAgainAndReplacesABrokenStore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var stores []*fragile
		opens, loaded := 0, 0
		s := series.NewStandby(func(context.Context) (series.Store, error) {
			if opens++; opens <= 2 {
				return nil, errors.New("still replaying")
			}
			stores = append(stores, &fragile{})
			return stores[len(stores)-1], nil
		}, func(context.Context, series.Store) { loaded++ }, slog.New(slog.DiscardHandler))
		if _, err := s.Append(ctx, nil); !errors.Is(err, series.ErrNotReady) {
			t.Errorf("append before open: %v", err)
		}
		if _, err := s.Range(ctx, series.Selector{}, 0, 1, 0); !errors.Is(err, series.ErrNotReady) {
			t.Errorf("range before open: %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-time.After(time.Second)
		synctest.Wait()
		if !s.Ready() || len(stores) != 1 {
			t.Fatalf("not open after two failures: %d", opens)
		}

		stores[0].fail = errors.New("passing")
		_, _ = s.Append(ctx, nil)
		synctest.Wait()
		if stores[0].closed {
			t.Error("a passing error closed the store")
		}
		stores[0].fail = series.ErrBroken
		_, _ = s.Append(ctx, nil)
		synctest.Wait()
		if !stores[0].closed || len(stores) != 2 || !s.Ready() || loaded != 2 {
			t.Errorf("broken store not replaced: %d stores, loaded %d", len(stores), loaded)
		}
		if _, err := s.Append(ctx, nil); err != nil {
			t.Error(err)
		}

		cancel()
		if err := <-done; err != nil || !stores[1].closed {
			t.Errorf("run ended with %v, store closed: %v", err, stores[1].closed)
		}
	})
}

func TestStandbySaysWhyPromQLIsNotAnswered(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	opened := make(chan struct{})
	s := series.NewStandby(func(context.Context) (series.Store, error) { return &fragile{}, nil },
		func(context.Context, series.Store) { close(opened) }, slog.New(slog.DiscardHandler))
	code := func() int {
		w := httptest.NewRecorder()
		s.Prometheus(series.Scope{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/query?query=1", nil))
		return w.Code
	}
	if got := code(); got != http.StatusServiceUnavailable {
		t.Errorf("closed: %d", got)
	}
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	<-opened
	if got := code(); got != http.StatusNotImplemented {
		t.Errorf("a backend without PromQL: %d", got)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
