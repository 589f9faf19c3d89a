package app

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/linshao/linshao/protocol/kit/datadir"
)

// awaitReady asks until the collector answers ready; the test's own deadline
// bounds it.
func (s *site) awaitReady(failed <-chan error) {
	s.t.Helper()
	for {
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.http+"/readyz", nil)
		if err != nil {
			s.t.Fatal(err)
		}
		req.Close = true
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-failed:
			s.t.Fatalf("it ended by itself: %v", err)
		default:
		}
	}
}

// serve runs the collector as the command does, until stop.
func (s *site) serve() (failed <-chan error, stop func() error) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	done := make(chan error, 1)
	go func() { done <- Run(ctx, s.options()) }()
	return done, func() error { cancel(); return <-done }
}

// Under load and with a page left open, the collector stops without an error,
// leaves nothing running (TestMain looks) and can start again at once.
func TestRunStopsUnderLoadAndStartsAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	var token string
	s.do(func(ctx context.Context, a *Admin) (err error) {
		token, err = a.CreateToken(ctx, TokenRequest{Name: "load", Role: "admin"})
		return err
	})
	for range 2 {
		failed, stop := s.serve()
		s.awaitReady(failed)
		if err := Run(t.Context(), s.options()); !errors.Is(err, datadir.ErrInUse) {
			t.Errorf("a second collector on the same data: %v", err)
		}
		var load sync.WaitGroup
		stream := s.get("/api/v1/stream", token)
		for range 4 {
			load.Go(func() {
				for {
					resp, err := s.fetch("/api/v1/tickets", token)
					if err != nil {
						return // it is gone
					}
					_, _ = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
					if resp.StatusCode >= http.StatusInternalServerError {
						t.Errorf("cut off while stopping: %d", resp.StatusCode)
					}
				}
			})
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
		load.Wait()
		if _, err := io.Copy(io.Discard, stream.Body); err != nil {
			t.Errorf("the stream was torn: %v", err)
		}
		_ = stream.Body.Close()
	}
}

func (s *site) fetch(path, token string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.http+path, nil)
	if err != nil {
		return nil, err
	}
	req.Close = true
	req.Header.Set("Authorization", "Bearer "+token)
	return http.DefaultClient.Do(req)
}

func (s *site) get(path, token string) *http.Response {
	s.t.Helper()
	resp, err := s.fetch(path, token)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}

// Told to end at any moment of its start, it ends cleanly.
func TestRunIsToldToEndWhileItStarts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	for calls := range 40 {
		ctx, cancel := context.WithCancel(t.Context())
		if err := Run(&countdown{Context: ctx, cancel: cancel, left: calls}, s.options()); err != nil {
			t.Errorf("ended after %d looks at its context: %v", calls, err)
		}
		cancel()
	}
}

// countdown is a context that ends when it was looked at so many times.
type countdown struct {
	context.Context
	cancel context.CancelFunc
	mu     sync.Mutex
	left   int
}

func (c *countdown) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left--; c.left < 0 {
		c.cancel()
	}
	return c.Context.Done()
}

func TestNobodyIsReachableBeforeSomebodyCanSignIn(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	open := "0.0.0.0:" + s.mqtt[strings.LastIndex(s.mqtt, ":")+1:]
	s.mqtt = open
	s.configure("")
	var exposed *ExposedError
	if err := Run(t.Context(), s.options()); !errors.As(err, &exposed) || exposed.Listen != open || !IsUsage(err) {
		t.Fatalf("got %v", err)
	}
	s.do(func(ctx context.Context, a *Admin) error {
		return a.AddUser(ctx, UserRequest{Name: "admin", Role: "admin", Password: "a good password"})
	})
	failed, stop := s.serve()
	s.awaitReady(failed)
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestADataDirectoryWithTooLongANameIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.dir += "/" + strings.Repeat("x", 100)
	s.configure("")
	if err := Run(t.Context(), s.options()); !IsUsage(err) {
		t.Errorf("got %v", err)
	}
}
