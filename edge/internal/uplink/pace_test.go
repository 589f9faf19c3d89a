package uplink

import (
	"fmt"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
)

// line is a way to the cloud in virtual time: so many bytes a second, one
// after the other, and an answer some time after the last of them.
type line struct {
	rate  float64 // bytes per second
	cloud time.Duration
	now   time.Duration
	free  time.Duration // when all that was sent is through
}

// send returns when the answer to n bytes comes.
func (l *line) send(n int) time.Duration {
	l.free = max(l.free, l.now) + time.Duration(float64(n)/l.rate*float64(time.Second))
	return l.free + l.cloud
}

// drive keeps the window as full as it may be for a minute and returns how long
// a byte sent at the worst moment had to wait, and how much of the line was
// used in the second half.
func drive(l *line) (worst time.Duration, used float64) {
	w := window{pace: newPace()}
	var answers []time.Duration
	through := 0.0
	for seq := envelope.Sequence(1); l.now < time.Minute; {
		for w.room(envelope.LaneBackfill) {
			n := w.pace.envelope()
			w.add(&parcel{lane: envelope.LaneBackfill, log: envelope.Samples, need: seqs(seq, seq), bytes: n, sent: l.now, tries: 1})
			answers = append(answers, l.send(n))
			seq++
			worst = max(worst, l.free-l.now)
			if l.now > 30*time.Second {
				through += float64(n)
			}
		}
		l.now = max(l.now, answers[0])
		answers = answers[1:]
		w.settle(envelope.Receipt{Log: envelope.Samples, Sequences: w.parcels[0].need}, l.now)
	}
	return worst, through / (l.rate * 30)
}

// On a thin line a keep-alive (2 s) and an alarm hardly wait; on a fast one the
// budget does not hold back the backlog; a cloud that commits in groups is not
// mistaken for a thin line.
func TestTheBudgetFollowsTheLine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rate  float64
		cloud time.Duration
		used  float64
	}{
		{4_000, 50 * time.Millisecond, 0.9},
		{8_000, 50 * time.Millisecond, 0.9},
		{8_000, 400 * time.Millisecond, 0.7},
		{50_000, 200 * time.Millisecond, 0.7},
		{500_000, 200 * time.Millisecond, 0.7},
		{10e6, 5 * time.Millisecond, 0.9},
	} {
		t.Run(fmt.Sprint(c.rate, c.cloud), func(t *testing.T) {
			worst, used := drive(&line{rate: c.rate, cloud: c.cloud})
			if limit := max(2*time.Second, time.Duration(2*leastBudget/c.rate*float64(time.Second))); worst > limit {
				t.Errorf("an alarm would wait %v", worst)
			}
			if used < c.used {
				t.Errorf("%.0f %% of the line used", used*100)
			}
		})
	}
}

// A line that gets thin in the middle is noticed.
func TestTheBudgetShrinksWithTheLine(t *testing.T) {
	t.Parallel()
	p := newPace()
	for range 200 {
		p.answered(64<<10, 20*time.Millisecond)
	}
	if p.budget != mostBudget {
		t.Errorf("budget of a fast line: %d", p.budget)
	}
	for range 10 {
		p.answered(64<<10, 5*time.Second)
	}
	if p.budget != leastBudget {
		t.Errorf("budget of a slow line: %d", p.budget)
	}
}

// While both wait, live and backfill get half each, live first; what one did
// not want is not owed to it later.
func TestLiveAndBackfillShareTheLine(t *testing.T) {
	t.Parallel()
	var s share
	if !s.liveFirst() {
		t.Error("backfill first")
	}
	live, backfill := 0, 0
	for range 1000 {
		if s.liveFirst() {
			s.sent(true, 3000)
			live += 3000
		} else {
			s.sent(false, 7000)
			backfill += 7000
		}
	}
	if d := live - backfill; d > 10_000 || d < -10_000 {
		t.Errorf("%d bytes of live, %d of backfill", live, backfill)
	}
	for range 1000 {
		s.sent(false, 7000) // live was silent
	}
	n := 0
	for ; s.liveFirst(); n += 3000 {
		s.sent(true, 3000)
	}
	if n > shareSlack+6000 {
		t.Errorf("live got %d bytes in a row for having been silent", n)
	}
}

func TestAlarmsAreSentAgainSooner(t *testing.T) {
	t.Parallel()
	var w window
	w.add(&parcel{lane: envelope.LaneAlarm})
	w.add(&parcel{lane: envelope.LaneLive})
	for at, want := range map[time.Duration]int{4 * time.Second: 0, 5 * time.Second: 1, 14 * time.Second: 1, 15 * time.Second: 2} {
		if got := w.late(at, 15*time.Second); len(got) != want {
			t.Errorf("after %v %d are late", at, len(got))
		}
	}
}
