package clock

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func day(h int) time.Time { return time.Date(2026, 11, 22, h, 0, 0, 0, time.UTC) }

func TestFakeFiresTimersInOrderOfDueTime(t *testing.T) {
	t.Parallel()
	f := NewFake(day(3))
	late, early := f.NewTimer(2*time.Second), f.NewTimer(time.Second)
	f.Advance(999 * time.Millisecond)
	select {
	case <-early.C():
		t.Fatal("fired a millisecond early")
	default:
	}
	f.Advance(5 * time.Second)
	if got := <-early.C(); !got.Equal(day(3).Add(time.Second)) {
		t.Errorf("early timer saw %v", got)
	}
	if got := <-late.C(); !got.Equal(day(3).Add(2 * time.Second)) {
		t.Errorf("late timer saw %v", got)
	}
	if f.Mono() != 5*time.Second+999*time.Millisecond {
		t.Errorf("Mono %v", f.Mono())
	}
}

func TestFakeJumpMovesOnlyTheWallClock(t *testing.T) {
	t.Parallel()
	f := NewFake(day(3))
	timer := f.NewTimer(time.Minute)
	f.Jump(day(20))
	if f.Mono() != 0 || !f.Now().Equal(day(20)) {
		t.Errorf("mono %v, now %v", f.Mono(), f.Now())
	}
	if n, _ := f.Armed(); n != 1 {
		t.Error("a wall-clock jump must not fire timers")
	}
	timer.Stop()
	f.Advance(time.Hour)
	select {
	case <-timer.C():
		t.Error("a stopped timer fired")
	default:
	}
}

func TestFakeResetForgetsAnUnreadFiring(t *testing.T) {
	t.Parallel()
	f := NewFake(day(3))
	timer := f.NewTimer(time.Second)
	f.Advance(time.Second)
	timer.Reset(time.Second)
	select {
	case <-timer.C():
		t.Fatal("the firing before Reset was delivered")
	default:
	}
	f.Advance(time.Second)
	<-timer.C()
}

func TestWaitReturnsAfterTheDuration(t *testing.T) {
	t.Parallel()
	f := NewFake(day(3))
	done := make(chan error, 1)
	go func() { done <- Wait(t.Context(), f, time.Minute) }()
	f.BlockUntil(1)
	f.Advance(time.Minute)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWaitIsInterruptible(t *testing.T) {
	t.Parallel()
	f := NewFake(day(3))
	why := errors.New("stopping")
	ctx, cancel := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() { done <- Wait(ctx, f, time.Minute) }()
	f.BlockUntil(1)
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if n, _ := f.Armed(); n != 0 {
		t.Error("the timer was left behind")
	}
}

func TestSystemClock(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, other := NewSystem(), NewSystem()
		if s.Boot() == "" || s.Boot() == other.Boot() {
			t.Errorf("boots %q, %q", s.Boot(), other.Boot())
		}
		if err := Wait(t.Context(), s, time.Hour); err != nil {
			t.Fatal(err)
		}
		if s.Mono() != time.Hour {
			t.Errorf("Mono %v", s.Mono())
		}
		if NowMS(s) != s.Now().UnixMilli() {
			t.Error("NowMS disagrees with Now")
		}
	})
}

func TestTrust(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		answers []answer
		want    []bool
	}{
		{"a synchronised clock is believed", []answer{synchronised}, []bool{true}},
		{"one never synchronised is not", []answer{unsynchronised, unsynchronised}, []bool{false, false}},
		{"synchronised once is enough", []answer{unsynchronised, synchronised, unsynchronised}, []bool{false, true, true}},
		{"who cannot be asked is believed", []answer{unknown}, []bool{true}},
		{"not knowing does not latch", []answer{unknown, unsynchronised}, []bool{true, false}},
	} {
		i := 0
		tr := trust{ask: func() answer { i++; return c.answers[i-1] }}
		for n := range c.want {
			i = n
			if got := tr.ok(0); got != c.want[n] {
				t.Errorf("%s: answer %d: %v", c.name, n, got)
			}
		}
	}
}

func TestAnAnswerIsGoodForAWhile(t *testing.T) {
	t.Parallel()
	asked, says := 0, unsynchronised
	tr := trust{every: time.Second, ask: func() answer { asked++; return says }}
	for _, c := range []struct {
		at    time.Duration
		says  answer
		want  bool
		asked int
	}{
		{0, unsynchronised, false, 1},
		{time.Second - 1, synchronised, false, 1},
		{time.Second, unknown, true, 2},
		{2*time.Second - 1, unsynchronised, true, 2},
		{2 * time.Second, unsynchronised, false, 3},
		{3 * time.Second, synchronised, true, 4},
		{9 * time.Second, unsynchronised, true, 4},
	} {
		says = c.says
		if got := tr.ok(c.at); got != c.want || asked != c.asked {
			t.Errorf("at %v: %v after asking %d times, want %v after %d", c.at, got, asked, c.want, c.asked)
		}
	}
}

func TestVouchedClockIsTrusted(t *testing.T) {
	t.Parallel()
	s := NewSystem()
	s.trust.ask = func() answer { return unsynchronised }
	if s.Trusted() {
		t.Fatal("trusted against the kernel's word")
	}
	s.Vouch()
	if !s.Trusted() {
		t.Error("vouched for, yet not trusted")
	}
}

func TestKernelAnswers(t *testing.T) {
	t.Parallel()
	if a := kernelSynchronised(); a > synchronised {
		t.Errorf("answer %d", a)
	}
}
