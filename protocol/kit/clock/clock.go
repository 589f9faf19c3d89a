// Package clock is how both daemons tell time: wall time for people and
// records, monotonic time for waiting, and a judgement of whether the wall
// clock may be believed. Everything that waits or stamps takes a Clock, so that
// tests own time (Fake) and nothing sleeps.
//
// It does not set the clock and does not talk to time servers.
package clock

import (
	"context"
	"time"

	"github.com/google/uuid"
)

// Clock tells time and waits. All methods are safe for concurrent use.
type Clock interface {
	// Now is the wall clock, without a monotonic part: it may jump.
	Now() time.Time
	// Mono is the time since the process started. It never goes back.
	Mono() time.Duration
	// NewTimer fires once after d of monotonic time; d <= 0 fires at once.
	NewTimer(d time.Duration) Timer
}

// Timer is a *time.Timer whose channel can be owned by a test.
type Timer interface {
	C() <-chan time.Time
	// Stop prevents the Timer from firing; after it, C delivers nothing.
	Stop()
	// Reset stops the Timer and starts it anew.
	Reset(d time.Duration)
}

// Wait returns nil after d, or the cause of ctx's end if that comes first.
func Wait(ctx context.Context, c Clock, d time.Duration) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	t := c.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C():
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// NowMS is c's wall clock in Unix milliseconds, the unit of every record.
func NowMS(c Clock) int64 { return c.Now().UnixMilli() }

var _ Clock = (*System)(nil)

// System is the machine's clock as one run of a daemon sees it.
type System struct {
	started time.Time
	boot    string
	trust   trust
}

// NewSystem starts a run: Mono counts from here and Boot is new.
func NewSystem() *System {
	return &System{started: time.Now(), boot: uuid.NewString(), trust: trust{ask: kernelSynchronised, every: time.Second}}
}

// Now implements Clock.
func (s *System) Now() time.Time { return time.Now().Round(0) }

// Mono implements Clock.
func (s *System) Mono() time.Duration { return time.Since(s.started) }

// NewTimer implements Clock.
func (s *System) NewTimer(d time.Duration) Timer { return systemTimer{time.NewTimer(d)} }

// Boot identifies this run of the daemon. Records of one Boot share one
// monotonic clock; another run has another Boot.
func (s *System) Boot() string { return s.boot }

// Trusted reports whether the wall clock may be believed: the kernel says that
// it is synchronised, or said so since boot, or someone Vouched for it, and nobody
// doubted it since. Where
// the kernel cannot be asked (another system, a sandbox that forbids it) the
// clock counts as trusted: the opposite would mark every record of such a
// machine for ever, with no way to mend it. An answer is good for a second.
func (s *System) Trusted() bool { return s.trust.ok(s.Mono()) }

// Vouch says that the wall clock was found right by other means, such as the
// skew measured against the cloud. It holds until someone doubts it.
func (s *System) Vouch() { s.trust.latched.Store(true) }

// Doubt says that the wall clock was seen to jump: what was known about it is
// forgotten, and the kernel is asked anew.
func (s *System) Doubt() { s.trust.doubt() }

type systemTimer struct{ t *time.Timer }

func (t systemTimer) C() <-chan time.Time   { return t.t.C }
func (t systemTimer) Stop()                 { t.t.Stop() }
func (t systemTimer) Reset(d time.Duration) { t.t.Reset(d) }
