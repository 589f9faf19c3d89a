package seriestest

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/telemetry"
)

func appended(b *bench) {
	at := b.now - hour
	got := b.append(sample(motor, at, 61.5), sample(motor, at+second, -0.25), sample(motor, at+2*second, 1e9))
	if got.Stored != 3 || len(got.Refused) != 0 {
		b.t.Errorf("tally %+v", got)
	}
	b.want(b.motor(at, at+hour, 0), raw(at, 61.5), raw(at+second, -0.25), raw(at+2*second, 1e9))
	b.want(b.motor(at+1, at+2*second, 0), raw(at+second, -0.25)) // from counts, to does not
	b.want(b.motor(at, at, 0))
	b.want(b.motor(at+hour, at, 0))
}

func rewritten(b *bench) {
	at := b.now - hour
	batch := []telemetry.Sample{sample(motor, at, 1), sample(motor, at+second, 2), sample(motor, at+2*second, 6), bad(motor, at+3*second)}
	for range 3 {
		b.append(batch...)
	}
	b.append(batch[0])
	b.want(b.motor(at, at+hour, 0),
		raw(at, 1), raw(at+second, 2), raw(at+2*second, 6), series.Point{AtMS: at + 3*second, Gap: true})
	start := series.AlignDown(at, hour)
	want := series.Point{AtMS: start, Min: 1, Mean: 3, Max: 6}
	b.want(b.motor(start, start+hour, hour), want)
}

// An hour of each of the last 35 days arrives in a random order, mixed with
// what happens now.
func late(b *bench) {
	var all []telemetry.Sample
	var want []series.Point
	for d := int64(35); d >= 0; d-- {
		for i := range int64(12) {
			at := b.now - d*day - i*5*minute
			all = append(all, sample(motor, at, float64(d*100+i)))
			want = append(want, raw(at, float64(d*100+i)))
		}
	}
	b.append(sample(motor, b.now, 0)) // the present is there first
	rand.New(rand.NewPCG(1, 2)).Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for some := range slices.Chunk(all, 50) {
		b.append(some...)
	}
	series.SortPoints(want)
	b.want(b.motor(b.now-40*day, b.now+1, 0), want...)
}

func buckets(b *bench) {
	base := series.AlignDown(b.now-2*day, minute)
	b.append(
		sample(motor, base, 10), sample(motor, base+minute-1, 20), // both ends of one bucket
		sample(motor, base+minute, 5),
		// two minutes of nothing
		sample(motor, base+4*minute+30*second, -3), sample(motor, base+4*minute+31*second, 3), sample(motor, base+4*minute+32*second, 6),
	)
	b.want(b.motor(base, base+10*minute, minute),
		series.Point{AtMS: base, Min: 10, Mean: 15, Max: 20},
		series.Point{AtMS: base + minute, Min: 5, Mean: 5, Max: 5},
		series.Point{AtMS: base + 4*minute, Min: -3, Mean: 2, Max: 6})
	// A bucket starts at a multiple of the step even where from does not,
	// and takes only what from and to include.
	b.want(b.motor(base+1, base+4*minute+31*second, minute),
		series.Point{AtMS: base, Min: 20, Mean: 20, Max: 20},
		series.Point{AtMS: base + minute, Min: 5, Mean: 5, Max: 5},
		series.Point{AtMS: base + 4*minute, Min: -3, Mean: -3, Max: -3})
	// An odd step is aligned to 1970 just the same.
	odd := int64(7 * 1000)
	got := b.motor(base, base+minute, odd)
	for _, p := range got {
		if p.AtMS%odd != 0 {
			b.t.Errorf("bucket at %d is no multiple of %d", p.AtMS, odd)
		}
	}
	if len(got) != 2 {
		b.t.Errorf("%d buckets of 7 s, want 2", len(got))
	}
}

// Samples up to the very present and a little ahead, asked for with random
// bounds and steps, agree with a plain count.
func present(b *bench) {
	rng := rand.New(rand.NewPCG(3, 4))
	var all []telemetry.Sample
	for at := b.now - 12*minute; at < b.now+2*minute; at += 1 + rng.Int64N(20*second) {
		all = append(all, sample(motor, at, float64(rng.IntN(200)-100)))
	}
	b.append(all...)
	for range 12 {
		from := b.now - 13*minute + rng.Int64N(14*minute)
		to := from + 1 + rng.Int64N(8*minute)
		step := 1 + rng.Int64N(5*minute)
		reference := series.NewBuckets(step)
		for _, s := range all {
			if s.AtMS >= from && s.AtMS < to {
				reference.Add(s.AtMS, s.Value)
			}
		}
		got := b.motor(from, to, step)
		if d := cmp.Diff(reference.Points(), got, cmpopts.EquateEmpty(), cmpopts.EquateApprox(1e-9, 1e-9)); d != "" {
			b.t.Errorf("[now%+d, now%+d) by %d (-want +got):\n%s", from-b.now, to-b.now, step, d)
		}
	}
}

func gaps(b *bench) {
	at := series.AlignDown(b.now-hour, minute)
	b.append(sample(motor, at, 1), bad(motor, at+second), sample(motor, at+2*second, 3))
	b.append(bad(motor, at-minute)) // late, and alone in its bucket
	b.want(b.motor(at-hour, at+hour, 0),
		series.Point{AtMS: at - minute, Gap: true}, raw(at, 1), series.Point{AtMS: at + second, Gap: true}, raw(at+2*second, 3))
	b.want(b.motor(at-hour, at+hour, minute), series.Point{AtMS: at, Min: 1, Mean: 2, Max: 3})
}

func refused(b *bench) {
	at := b.now - hour
	text := sample(motor, at, 0)
	text.Text = "G层"
	nameless, wrong := motor, motor
	nameless.Kind, wrong.Metric = "", "a\nb"
	got := b.append(
		sample(motor, at, 1),
		sample(motor, at+1, math.NaN()), sample(motor, at+2, math.Inf(1)), sample(motor, at+3, math.Inf(-1)),
		sample(nameless, at, 1), sample(wrong, at, 1),
		sample(motor, b.now+10*365*day, 1), sample(motor, b.now-41*day, 1),
		text,
		sample(motor, at+second, 2),
	)
	want := series.Tally{Stored: 2, Texts: 1, Refused: map[series.Reason]int{
		series.NotANumber: 1, series.Infinite: 2, series.BadName: 2, series.TooNew: 1, series.TooOld: 1,
	}}
	if d := cmp.Diff(want, got); d != "" {
		b.t.Errorf("tally (-want +got):\n%s", d)
	}
	// What stood around them is there, and the store takes normal times still.
	b.append(sample(motor, b.now, 3))
	b.want(b.motor(at, b.now+1, 0), raw(at, 1), raw(at+second, 2), raw(b.now, 3))
}

func labels(b *bench) {
	keys := []telemetry.SeriesKey{
		{Device: "gate-east-1", Kind: "access-gate", Metric: "door"},
		{Device: "灯-1", Kind: "路灯", Metric: "亮度 %"},
		{Device: "d", Kind: "spb", Metric: "Motor/Temp,a=b c"},
		{Device: "q", Kind: `k=x`, Metric: `{m}'|.*`},
	}
	for i, k := range keys {
		b.append(sample(k, b.now-minute, float64(i)), bad(k, b.now-second))
	}
	for i, k := range keys {
		got := b.rangeOf(series.Selector{Estate: "garden", Edge: "garden-1", Device: k.Device, Metric: k.Metric}, b.now-hour, b.now, 0)
		b.want(got, raw(b.now-minute, float64(i)), series.Point{AtMS: b.now - second, Gap: true})
	}
	all, err := b.s.Newest(b.t.Context(), b.now-hour)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, k := range keys {
		if !slices.ContainsFunc(all, func(n series.Newest) bool {
			return n.Key == k && n.Estate == "garden" && n.Edge == "garden-1"
		}) {
			b.t.Errorf("newest lacks %+v", k)
		}
	}
}

func apart(b *bench) {
	at := b.now - hour
	b.append(sample(motor, at, 1))
	b.appendFrom("other", "garden-1", sample(motor, at, 2))
	b.appendFrom("garden.x", "garden-1", sample(motor, at, 3))
	second := motor
	second.Device = "lift-2"
	b.append(sample(second, at, 4))
	b.want(b.motor(at, at+1, 0), raw(at, 1))

	// The same device behind another edge, and under a corrected kind, goes on.
	b.appendFrom("garden", "garden-2", sample(motor, at+minute, 5))
	renamed := motor
	renamed.Kind = "lift"
	b.append(sample(renamed, at+2*minute, 6))
	b.want(b.motor(at, b.now, 0), raw(at, 1), raw(at+minute, 5), raw(at+2*minute, 6))
	b.want(b.rangeOf(series.Selector{Estate: "garden", Edge: "garden-2", Device: "lift-1", Metric: "motor_temp"}, at, b.now, 0),
		raw(at+minute, 5))
	start := series.AlignDown(at, day)
	b.want(b.motor(start, b.now, day), series.Point{AtMS: start, Min: 1, Mean: 4, Max: 6})
}

func newest(b *bench) {
	b.append(sample(motor, b.now-2*minute, 1), sample(motor, b.now-minute, 2))
	b.append(sample(motor, b.now-hour, 3)) // late
	silent, old := motor, motor
	silent.Metric, old.Metric = "current", "speed"
	b.append(sample(silent, b.now-2*minute, 7), bad(silent, b.now-minute))
	b.append(sample(old, b.now-3*day, 9))
	if b.h.Settle != nil {
		b.h.Settle(b.t)
	}
	got, err := b.s.Newest(b.t.Context(), b.now-day)
	if err != nil {
		b.t.Fatal(err)
	}
	slices.SortFunc(got, func(x, y series.Newest) int { return strings.Compare(x.Key.Metric, y.Key.Metric) })
	want := []series.Newest{
		{Estate: "garden", Edge: "garden-1", Sample: telemetry.Sample{Key: silent, AtMS: b.now - minute, Quality: telemetry.Bad}},
		{Estate: "garden", Edge: "garden-1", Sample: sample(motor, b.now-minute, 2)},
	}
	if d := cmp.Diff(want, got); d != "" {
		b.t.Errorf("newest (-want +got):\n%s", d)
	}
}

func restart(b *bench) {
	at := b.now - hour
	b.append(sample(motor, at, 1), sample(motor, b.now-minute, 2))
	b.append(sample(motor, at-5*day, 3), bad(motor, at-6*day))
	want := []series.Point{{AtMS: at - 6*day, Gap: true}, raw(at-5*day, 3), raw(at, 1), raw(b.now-minute, 2)}
	for range 3 {
		b.s = b.h.Reopen(b.t, b.s)
		b.want(b.motor(b.now-30*day, b.now, 0), want...)
	}
	b.append(sample(motor, b.now-second, 4), sample(motor, at-7*day, 5))
	b.want(b.motor(at-7*day, at-7*day+1, 0), raw(at-7*day, 5))
	b.want(b.motor(b.now-second, b.now, 0), raw(b.now-second, 4))
}

// Twelve rounds of random late data in eight hours of eight days, a third of
// it sent twice, with a restart now and then: everything is there, once.
func everything(b *bench) {
	seed := uint64(time.Now().UnixNano())
	b.t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	want := map[int64]float64{}
	for round := range 12 {
		var group []telemetry.Sample
		for range 200 {
			at := b.now - rng.Int64N(8)*day - rng.Int64N(hour)
			if _, there := want[at]; there {
				continue
			}
			want[at] = float64(rng.IntN(1000))
			group = append(group, sample(motor, at, want[at]))
		}
		b.append(group...)
		b.append(group[:len(group)/3]...)
		if round%4 == 3 {
			b.s = b.h.Reopen(b.t, b.s)
		}
	}
	points := make([]series.Point, 0, len(want))
	for at, v := range want {
		points = append(points, raw(at, v))
	}
	series.SortPoints(points)
	b.want(b.motor(b.now-40*day, b.now, 0), points...)
}
