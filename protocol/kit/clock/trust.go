package clock

import (
	"sync/atomic"
	"time"
)

// answer is what the kernel knows about the wall clock.
type answer uint8

const (
	unknown answer = iota
	unsynchronised
	synchronised
)

// trust remembers a good answer: a clock synchronised once since boot stays
// near enough for ordering records, even when the time server goes away.
type trust struct {
	ask     func() answer
	latched atomic.Bool
	// every is how long an answer is good for: asking is a system call, and
	// every record wants to know.
	every time.Duration
	// last was the answer until the time next.
	last atomic.Bool
	next atomic.Int64
}

func (t *trust) doubt() {
	t.latched.Store(false)
	t.next.Store(0)
}

// ok answers at the monotonic time now.
func (t *trust) ok(now time.Duration) bool {
	if t.latched.Load() {
		return true
	}
	if int64(now) < t.next.Load() {
		return t.last.Load()
	}
	a := t.ask()
	if a == synchronised {
		t.latched.Store(true)
	}
	t.last.Store(a != unsynchronised)
	t.next.Store(int64(now + t.every))
	return a != unsynchronised
}
