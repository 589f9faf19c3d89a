package backoff

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linshao/linshao/protocol/kit/clock"
)

func TestWaitsDoubleUpToTheCap(t *testing.T) {
	t.Parallel()
	b := New(nil, 200*time.Millisecond, time.Second)
	b.random = func(n int64) int64 { return n - 1 } // the longest of each range
	for i, want := range []time.Duration{200, 400, 800, 1000, 1000} {
		if got := b.Next(); got != want*time.Millisecond {
			t.Errorf("wait %d: %v", i, got)
		}
	}
	b.Reset()
	if got := b.Next(); got != 200*time.Millisecond {
		t.Errorf("after a success: %v", got)
	}
}

func TestEveryWaitIsWithinHalfAndWholeOfItsCeiling(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		lo := time.Duration(rapid.Int64Range(1, int64(time.Minute)).Draw(t, "min"))
		hi := time.Duration(rapid.Int64Range(int64(lo), int64(24*time.Hour)).Draw(t, "max"))
		b := New(nil, lo, hi)
		for range 60 {
			c := b.ceiling
			if d := b.Next(); d < c/2 || d > c || c > hi {
				t.Fatalf("wait %v with ceiling %v, cap %v", d, c, hi)
			}
		}
		if b.ceiling != hi {
			t.Fatalf("ceiling stopped at %v, cap %v", b.ceiling, hi)
		}
	})
}

// dice is a clock that chooses the jitter.
type dice struct{ *clock.Fake }

func (dice) Int64N(int64) int64 { return 0 }

func TestAClockMayChooseTheJitter(t *testing.T) {
	t.Parallel()
	b := New(dice{clock.NewFake(time.Unix(0, 0))}, time.Second, 4*time.Second)
	for i, want := range []time.Duration{500, 1000, 2000, 2000} {
		if got := b.Next(); got != want*time.Millisecond {
			t.Errorf("wait %d: %v", i, got)
		}
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	t.Parallel()
	f := clock.NewFake(time.Unix(0, 0))
	b := New(f, time.Second, time.Second)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- b.Wait(ctx) }()
	f.BlockUntil(1)
	cancel()
	if err := <-done; err == nil {
		t.Error("an interrupted wait returned nil")
	}
	go func() { done <- b.Wait(t.Context()) }()
	f.BlockUntil(1)
	f.Advance(time.Second)
	if err := <-done; err != nil {
		t.Error(err)
	}
}
