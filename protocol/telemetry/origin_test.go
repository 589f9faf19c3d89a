package telemetry_test

import (
	"math/rand/v2"
	"testing"

	"github.com/linshao/linshao/protocol/telemetry"
)

const (
	day    = 24 * 3600 * 1000
	nowMS  = 1_800_000_000_000
	yearMS = 365 * day
)

func TestASkewedEdgesSamplesArePutRight(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		skewMS, deviceMS int64
		nudge            int64
		wantMS           int64
		marks            telemetry.Marks
	}{
		"the edge's own time":                    {yearMS, 0, 0, nowMS, telemetry.ReceiveTime | telemetry.ClockCorrected},
		"a device that was right all the time":   {-yearMS, nowMS - 7, 0, nowMS - 7, telemetry.ClockCorrected},
		"a device as wrong as its edge":          {yearMS, nowMS + yearMS - 7, 0, nowMS - 7, telemetry.ReceiveTime | telemetry.ClockCorrected},
		"a nudge stays":                          {-yearMS, nowMS - 7, 2, nowMS - 5, telemetry.ClockCorrected | telemetry.Nudged},
		"a device whose edge is a minute behind": {-60_000, nowMS, 0, nowMS, telemetry.ClockCorrected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			edgeMS := nowMS + tt.skewMS
			at, marks := telemetry.EffectiveTime(tt.deviceMS, edgeMS)
			s := telemetry.Sample{AtMS: at + tt.nudge, DeviceMS: tt.deviceMS, EdgeMS: edgeMS, Marks: marks}
			if tt.nudge > 0 {
				s.Marks |= telemetry.Nudged
			}
			o := telemetry.Origin{EdgeMS: edgeMS, SkewKnown: true, SkewMS: tt.skewMS}
			got := []telemetry.Sample{s}
			o.Correct(got)
			if got[0].AtMS != tt.wantMS || got[0].Marks != tt.marks || got[0].EdgeMS != edgeMS || got[0].DeviceMS != tt.deviceMS {
				t.Errorf("got %+v, want at %d with marks %b", got[0], tt.wantMS, tt.marks)
			}
			events := []telemetry.Event{{AtMS: at, DeviceMS: tt.deviceMS, EdgeMS: edgeMS}}
			o.CorrectEvents(events)
			if events[0].AtMS != tt.wantMS-tt.nudge || !events[0].Marks.Has(telemetry.ClockCorrected) {
				t.Errorf("the event: %+v", events[0])
			}
		})
	}
}

func TestOnlyWhatIsWrongIsTouched(t *testing.T) {
	t.Parallel()
	s := telemetry.Sample{AtMS: nowMS, EdgeMS: nowMS, Marks: telemetry.ReceiveTime}
	for name, tt := range map[string]struct {
		o     telemetry.Origin
		marks telemetry.Marks
	}{
		"trusted":             {telemetry.Origin{ClockTrusted: true}, telemetry.ReceiveTime},
		"near enough":         {telemetry.Origin{SkewKnown: true, SkewMS: 2000}, telemetry.ReceiveTime},
		"nobody knows":        {telemetry.Origin{}, telemetry.ReceiveTime | telemetry.ClockUntrusted},
		"trusted, and behind": {telemetry.Origin{ClockTrusted: true, SkewKnown: true, SkewMS: -2001}, telemetry.ReceiveTime | telemetry.ClockCorrected},
	} {
		got := []telemetry.Sample{s}
		tt.o.Correct(got)
		if got[0].Marks != tt.marks {
			t.Errorf("%s: marks %b, want %b", name, got[0].Marks, tt.marks)
		}
	}
}

// Whatever a device says and however wrong the edge is: what is stored lies
// around the true time, once the skew is known.
func TestCorrectedTimesAreNearTheTruth(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		skew := r.Int64N(20*yearMS) - 10*yearMS
		edgeMS := nowMS + skew
		device := []int64{0, nowMS + r.Int64N(80*day) - 40*day, edgeMS + r.Int64N(80*day) - 40*day, r.Int64N(1 << 53)}[r.IntN(4)]
		at, marks := telemetry.EffectiveTime(device, edgeMS)
		s := []telemetry.Sample{{AtMS: at, DeviceMS: device, EdgeMS: edgeMS, Marks: marks}}
		telemetry.Origin{EdgeMS: edgeMS, SkewKnown: true, SkewMS: skew}.Correct(s)
		slack := int64(telemetry.SkewBoundMS)
		if s[0].AtMS < nowMS-telemetry.OldestAgeMS-slack || s[0].AtMS > nowMS+telemetry.NewestAheadMS+slack {
			t.Fatalf("skew %d, device %d: stored at %d, that is %d from now", skew, device, s[0].AtMS, s[0].AtMS-nowMS)
		}
	}
}

func TestAnInstantOfUnknownClock(t *testing.T) {
	t.Parallel()
	o := telemetry.Origin{EdgeMS: nowMS - 180_000, SkewKnown: true, SkewMS: -180_000}
	if got := o.CorrectMS(nowMS - 180_000 - 30); got != nowMS-30 {
		t.Errorf("said by the edge: %d from now", got-nowMS)
	}
	if got := o.CorrectMS(nowMS - 30); got != nowMS-30 {
		t.Errorf("said by a device that is right: %d from now", got-nowMS)
	}
	if ms, ok := o.BelievedMS(); ms != nowMS || !ok {
		t.Errorf("made %d from now, %v", ms-nowMS, ok)
	}
	if _, ok := (telemetry.Origin{EdgeMS: 5}).BelievedMS(); ok {
		t.Error("a clock for which nobody vouches is believed")
	}
}
