package flow_test

import (
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// faith is whether the wall clock is believed, and what was told of its jumps.
type faith struct {
	mu      sync.Mutex
	trusted bool
	jumps   []time.Duration
}

func (f *faith) ok() bool { f.mu.Lock(); defer f.mu.Unlock(); return f.trusted }
func (f *faith) jumped(by time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.trusted, f.jumps = false, append(f.jumps, by)
}

func stamps(d *disk) (out []ticket.Stamp) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.alarm {
		for _, x := range r.Transitions {
			out = append(out, x.Stamp)
		}
	}
	return out
}

// The wall clock is set by years, forth and back: it is noticed, the records say
// that the clock is not to be trusted, and the tickets' order stays.
func TestAWallClockThatIsSetDisordersNoTicket(t *testing.T) {
	t.Parallel()
	d, f := newDisk(), &faith{trusted: true}
	e := start(t, d, func(o *flow.Options) { o.Trusted, o.Jumped = f.ok, f.jumped })
	year := 365 * 24 * time.Hour
	for i, at := range []time.Duration{0, 5 * year, -5 * year, time.Minute} {
		e.clock.Jump(time.UnixMilli(epoch).Add(at))
		e.say(sample("motor_temp", 90))
		e.pass(40 * time.Second)
		e.say(sample("motor_temp", 20))
		e.pass(40 * time.Second)
		if len(f.jumps) != i {
			t.Fatalf("jumps noticed: %v, after %d", f.jumps, i)
		}
	}
	if f.jumps[0].Round(time.Hour) != 5*year || f.jumps[1].Round(time.Hour) != -10*year {
		t.Errorf("jumps of %v", f.jumps)
	}
	got := stamps(d)
	if len(got) < 8 {
		t.Fatalf("%d transitions", len(got))
	}
	for i, s := range got {
		if i > 0 && s.Compare(got[i-1]) <= 0 {
			t.Errorf("transition %d is stamped before the one that it follows", i)
		}
		if s.WallMS > epoch+int64(time.Hour/time.Millisecond) {
			t.Errorf("transition %d is stamped by a clock that nobody believes: %d", i, s.WallMS)
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.samples[0].Origin.ClockTrusted || d.samples[len(d.samples)-1].Origin.ClockTrusted {
		t.Error("records do not say whether their clock was trusted")
	}
}

// A boot without a clock: what the cloud decided is behind what it decided upon,
// and what happens here afterwards is behind both.
func TestAnEdgeWithoutAClockFollowsTheCloudsOrder(t *testing.T) {
	t.Parallel()
	for name, wall := range map[string]time.Time{"1970": time.UnixMilli(86_400_000), "2060": time.UnixMilli(2_840_000_000_000)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, f := newDisk(), &faith{}
			e := start(t, d, func(o *flow.Options) { o.Trusted = f.ok })
			e.clock.Jump(wall)
			e.say(sample("motor_temp", 90))
			raised := d.alarm[0].Transitions[0]
			accept := remote(ticket.Accept, raised.Ticket)
			accept.Stamp = ticket.Stamp{WallMS: epoch, Origin: "cloud", Number: 1}
			if err := e.flow.Remote(t.Context(), []ticket.Transition{accept}); err != nil {
				t.Fatal(err)
			}
			e.say(sample("motor_temp", 20))
			got := stamps(d)
			if len(got) != 3 || got[0].Compare(accept.Stamp) >= 0 || got[2].Compare(accept.Stamp) <= 0 {
				t.Errorf("stamps %+v", got)
			}
		})
	}
}

func TestRecordsSayWhatIsKnownOfTheirClock(t *testing.T) {
	t.Parallel()
	d := newDisk()
	e := start(t, d, func(o *flow.Options) {
		o.Skew = func(o telemetry.Origin) telemetry.Origin {
			o.SkewKnown, o.SkewMS = true, 7000
			return o
		}
	})
	e.say(sample("motor_temp", 90))
	if o := d.samples[0].Origin; !o.SkewKnown || o.SkewMS != 7000 {
		t.Errorf("recorded with %+v", o)
	}
	if s := stamps(d)[0]; s.WallMS != epoch-7000 {
		t.Errorf("stamped %d ms from the cloud's time", s.WallMS-epoch+7000)
	}
}

// The wall clock is set while a group waits: what was said by the one clock and
// by the other is put right by different amounts.
func TestAClockThatIsSetBeginsAnotherRecord(t *testing.T) {
	t.Parallel()
	e, d := lingering(t)
	e.clock.Jump(e.clock.Now().Add(365 * 24 * time.Hour))
	e.poll(17)
	e.settle()
	d.mu.Lock()
	defer d.mu.Unlock()
	n := 0
	for _, r := range d.samples {
		for _, s := range r.Samples {
			if n++; s.EdgeMS-r.Origin.EdgeMS > 1000 || r.Origin.EdgeMS-s.EdgeMS > 1000 {
				t.Errorf("a sample of %d is in a record of a clock that said %d", s.EdgeMS, r.Origin.EdgeMS)
			}
		}
	}
	if n != 18 {
		t.Errorf("%d samples are kept", n)
	}
}
