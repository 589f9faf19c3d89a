package series_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/telemetry"
)

const (
	now = int64(1_763_850_000_000)
	day = int64(24 * 3600 * 1000)
)

func temp(atMS int64, v float64) telemetry.Sample {
	return telemetry.Sample{Key: telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "motor_temp"}, AtMS: atMS, Value: v}
}

func TestCheckNamesWhyASampleCanNeverBeStored(t *testing.T) {
	t.Parallel()
	named := func(device, kind, metric string) telemetry.Sample {
		return telemetry.Sample{Key: telemetry.SeriesKey{Device: device, Kind: kind, Metric: metric}, AtMS: now}
	}
	for _, c := range []struct {
		name string
		s    telemetry.Sample
		want series.Reason
	}{
		{"a plain value", temp(now, 61.5), ""},
		{"not a number", temp(now, math.NaN()), series.NotANumber},
		{"a stale marker from outside", temp(now, math.Float64frombits(0x7ff0000000000002)), series.NotANumber},
		{"infinite", temp(now, math.Inf(-1)), series.Infinite},
		{"bad quality has no value to judge", telemetry.Sample{Key: temp(0, 0).Key, AtMS: now, Value: math.NaN(), Quality: telemetry.Bad}, ""},
		{"as old as the outbox keeps", temp(now-35*day, 1), ""},
		{"40 days", temp(now-40*day, 1), ""},
		{"older", temp(now-40*day-1, 1), series.TooOld},
		{"5 minutes ahead", temp(now+300_000, 1), ""},
		{"further ahead", temp(now+300_001, 1), series.TooNew},
		{"Chinese metric", named("lift-1", "elevator", "电机温度"), ""},
		{"with space and slash", named("lift-1", "spb", "Motor/Temp 1"), ""},
		{"no kind", named("lift-1", "", "m"), series.BadName},
		{"line feed", named("lift-1", "elevator", "m v=1\nx"), series.BadName},
		{"backslash", named("lift-1", "elevator", `m\`), series.BadName},
		{"double quote", named("lift-1", `k"x"`, "m"), series.BadName},
		{"broken UTF-8", named("lift-1", "elevator", "\xff"), series.BadName},
		{"too long", named("lift-1", "elevator", strings.Repeat("x", 65)), series.BadName},
	} {
		if got := series.Check("garden", "garden-1", &c.s, now); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	s := temp(now, 1)
	if got := series.Check("", "e", &s, now); got != series.BadName {
		t.Errorf("no estate: %q", got)
	}
}

func TestName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ kind, metric, want string }{
		{"elevator", "motor_temp", "elevator_motor_temp"},
		{"access-gate", "door.open", "access_gate_door_open"},
		{"电梯", "温度", "_____"},
		{"3d", "x", "_3d_x"},
	} {
		if got := series.Name(c.kind, c.metric); got != c.want {
			t.Errorf("Name(%q, %q) = %q, want %q", c.kind, c.metric, got, c.want)
		}
	}
}

// Buckets agree with the plain definition, whatever the order.
func TestBucketsAreMinMeanMax(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		step := rapid.Int64Range(1, 5000).Draw(t, "step")
		n := rapid.IntRange(1, 200).Draw(t, "n")
		values := map[int64][]float64{}
		b := series.NewBuckets(step)
		for range n {
			at := rapid.Int64Range(-20_000, 20_000).Draw(t, "at")
			v := rapid.Float64Range(-1e6, 1e6).Draw(t, "v")
			b.Add(at, v)
			start := int64(math.Floor(float64(at)/float64(step))) * step
			values[start] = append(values[start], v)
		}
		last := int64(math.MinInt64)
		for _, p := range b.Points() {
			vs := values[p.AtMS]
			delete(values, p.AtMS)
			sum, lo, hi := 0.0, math.Inf(1), math.Inf(-1)
			for _, v := range vs {
				sum, lo, hi = sum+v, min(lo, v), max(hi, v)
			}
			if p.Min != lo || p.Max != hi || math.Abs(p.Mean-sum/float64(len(vs))) > 1e-6 || p.AtMS <= last {
				t.Fatalf("%+v, want %v in order", p, vs)
			}
			last = p.AtMS
		}
		if len(values) != 0 {
			t.Fatalf("lost buckets: %v", values)
		}
	})
}

func TestBucketsDoNotOverflow(t *testing.T) {
	t.Parallel()
	b := series.NewBuckets(1000)
	b.Add(1, math.MaxFloat64)
	b.Add(2, math.MaxFloat64)
	b.Add(3, -math.MaxFloat64)
	if p := b.Points()[0]; math.IsInf(p.Mean, 0) || math.IsNaN(p.Mean) {
		t.Errorf("mean %v", p.Mean)
	}
}

func TestMergeRawKeepsOneOfATimeAndValuesBeforeGaps(t *testing.T) {
	t.Parallel()
	got := series.MergeRaw([]series.Point{
		{AtMS: 3, Mean: 3}, {AtMS: 1, Gap: true}, {AtMS: 1, Mean: 1}, {AtMS: 2, Gap: true}, {AtMS: 3, Mean: 4},
	})
	want := []series.Point{{AtMS: 1, Mean: 1}, {AtMS: 2, Gap: true}, {AtMS: 3, Mean: 3}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestCheckRange(t *testing.T) {
	t.Parallel()
	if err := series.CheckRange(0, series.MaxBuckets*10, 10); err == nil {
		t.Error("one bucket too many passed")
	}
	if err := series.CheckRange(0, series.MaxBuckets*10-10, 10); err != nil {
		t.Error(err)
	}
	if err := series.CheckRange(math.MinInt64, math.MaxInt64, 1); err == nil {
		t.Error("all of time passed")
	}
}

func TestLatestIsNeverMovedBack(t *testing.T) {
	t.Parallel()
	l := series.NewLatest()
	observe := func(s ...telemetry.Sample) {
		l.Observe([]series.Batch{{Estate: "garden", Edge: "garden-1", Samples: s}})
	}
	value := func() float64 { return l.Of("garden", "lift-1")[0].Value }

	l.Load([]series.Newest{{Estate: "garden", Edge: "garden-1", Sample: temp(1000, 1)}})
	observe(temp(2000, 2))
	observe(temp(1500, 3), temp(2000, 4))
	if value() != 2 {
		t.Errorf("late data moved latest to %v", value())
	}
	historical := temp(9000, 5)
	historical.Marks = telemetry.Historical
	observe(historical)
	if value() != 2 {
		t.Errorf("a historical sample became latest: %v", value())
	}
	observe(temp(9000, math.NaN()))
	if value() != 2 {
		t.Error("NaN became latest")
	}
	text := temp(9500, 0)
	text.Key.Metric, text.Text = "floor", "G层"
	observe(temp(9500, 6), text)
	all := l.Of("garden", "lift-1")
	if len(all) != 2 || all[0].Text != "G层" || all[1].Value != 6 {
		t.Errorf("%+v", all)
	}
	if got := l.Of("other", "lift-1"); len(got) != 0 {
		t.Errorf("another estate sees %+v", got)
	}
}

// Whatever the order of arrival, the newest time stands.
func TestLatestIsTheNewestInAnyOrder(t *testing.T) {
	t.Parallel()
	for range 100 {
		l := series.NewLatest()
		for _, at := range rand.Perm(20) {
			l.Observe([]series.Batch{{Estate: "g", Edge: "e", Samples: []telemetry.Sample{temp(int64(at+1), float64(at))}}})
		}
		if got := l.Of("g", "lift-1")[0].Value; got != 19 {
			t.Fatalf("newest is %v", got)
		}
	}
}
