package clock

import "sync/atomic"

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
}

func (t *trust) ok() bool {
	if t.latched.Load() {
		return true
	}
	switch t.ask() {
	case synchronised:
		t.latched.Store(true)
		return true
	case unsynchronised:
		return false
	default:
		return true
	}
}
