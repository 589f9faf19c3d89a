// Package backoff spaces out repeated attempts: exponential, capped, with
// jitter so that a thousand clients cut off together do not return together.
// Every wait ends with its context. It does not decide what is worth retrying.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/linshao/linshao/protocol/kit/clock"
)

// Backoff is one series of attempts. It is not safe for concurrent use: each
// loop owns one.
type Backoff struct {
	clock    clock.Clock
	min, max time.Duration
	ceiling  time.Duration
	random   func(n int64) int64 // in [0, n)
}

// Random is the optional power of a Clock to choose the jitter, so that a
// simulation that repeats its seed repeats its waits.
type Random interface {
	// Int64N returns a number in [0, n).
	Int64N(n int64) int64
}

// New returns a Backoff whose first wait is min and whose waits never exceed
// max; 0 < min <= max.
func New(c clock.Clock, min, max time.Duration) *Backoff {
	b := &Backoff{clock: c, min: min, max: max, ceiling: min, random: rand.Int64N}
	if r, ok := c.(Random); ok {
		b.random = r.Int64N
	}
	return b
}

// Next returns how long to wait before the next attempt: a random time between
// half the ceiling and the ceiling, which doubles from min to max.
func (b *Backoff) Next() time.Duration {
	half := b.ceiling / 2
	d := half + time.Duration(b.random(int64(b.ceiling-half)+1))
	if b.ceiling > b.max/2 {
		b.ceiling = b.max
	} else {
		b.ceiling *= 2
	}
	return d
}

// Wait waits for Next, or until ctx ends, whose cause it then returns.
func (b *Backoff) Wait(ctx context.Context) error { return clock.Wait(ctx, b.clock, b.Next()) }

// Reset starts over after a success.
func (b *Backoff) Reset() { b.ceiling = b.min }
