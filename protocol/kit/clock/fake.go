package clock

import (
	"sort"
	"sync"
	"time"
)

var _ Clock = (*Fake)(nil)

// Fake is a Clock that moves only when a test moves it.
type Fake struct {
	mu     sync.Mutex
	now    time.Time
	mono   time.Duration
	timers []*fakeTimer // armed ones only
	// changed is closed and replaced whenever a Timer is armed or stopped.
	changed chan struct{}
}

// NewFake starts at now, with Mono at 0.
func NewFake(now time.Time) *Fake { return &Fake{now: now.Round(0), changed: make(chan struct{})} }

// Now implements Clock.
func (f *Fake) Now() time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

// Mono implements Clock.
func (f *Fake) Mono() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mono
}

// Advance lets d pass: both clocks move, and every Timer that is due fires, in
// the order of their due times, each seeing its own time as Now.
func (f *Fake) Advance(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	end := f.mono + d
	sort.SliceStable(f.timers, func(i, j int) bool { return f.timers[i].due < f.timers[j].due })
	for len(f.timers) > 0 && f.timers[0].due <= end {
		t := f.timers[0]
		f.timers = f.timers[1:]
		f.moveLocked(max(t.due, f.mono))
		t.c <- f.now
	}
	f.moveLocked(end)
}

func (f *Fake) moveLocked(to time.Duration) {
	f.now = f.now.Add(to - f.mono)
	f.mono = to
}

// Jump sets the wall clock alone, as an operator or a time server does.
func (f *Fake) Jump(to time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = to.Round(0)
}

// Armed returns how many Timers wait, and a channel that is closed when that
// next changes. It lets a test know that the code under test has begun to wait.
func (f *Fake) Armed() (int, <-chan struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.timers), f.changed
}

// BlockUntil returns once at least n Timers are armed.
func (f *Fake) BlockUntil(n int) {
	for {
		armed, changed := f.Armed()
		if armed >= n {
			return
		}
		<-changed
	}
}

// NewTimer implements Clock.
func (f *Fake) NewTimer(d time.Duration) Timer {
	t := &fakeTimer{f: f, c: make(chan time.Time, 1)}
	t.Reset(d)
	return t
}

type fakeTimer struct {
	f   *Fake
	c   chan time.Time // holds at most the one firing of this arming
	due time.Duration  // guarded by f.mu
}

func (t *fakeTimer) C() <-chan time.Time { return t.c }

func (t *fakeTimer) Stop() {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	t.stopLocked()
}

func (t *fakeTimer) stopLocked() {
	for i, o := range t.f.timers {
		if o == t {
			t.f.timers = append(t.f.timers[:i], t.f.timers[i+1:]...)
			break
		}
	}
	select {
	case <-t.c:
	default:
	}
	t.f.changedLocked()
}

func (t *fakeTimer) Reset(d time.Duration) {
	t.f.mu.Lock()
	defer t.f.mu.Unlock()
	t.stopLocked()
	if d <= 0 {
		t.c <- t.f.now
		return
	}
	t.due = t.f.mono + d
	t.f.timers = append(t.f.timers, t)
	t.f.changedLocked()
}

func (f *Fake) changedLocked() {
	close(f.changed)
	f.changed = make(chan struct{})
}
