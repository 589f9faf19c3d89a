package detect_test

import (
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linshao/linshao/edge/internal/detect"
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
)

func TestWhoIsJudgedByWhat(t *testing.T) {
	t.Parallel()
	above := func(id, dev, kind, metric string, bound float64) device.Rule {
		return device.Rule{ID: id, Device: dev, Kind: kind, Metric: metric, Detector: device.Threshold, Above: &bound}
	}
	profile := &device.Profile{
		Kind: "elevator", Points: []device.Point{{Name: "t"}, {Name: "u"}},
		Rules: []device.Rule{above("a", "", "elevator", "t", 1), above("b", "", "elevator", "t", 1)},
	}
	lift := device.Device{ID: "lift", Kind: "elevator", Profile: profile}
	estate := []device.Rule{
		above("b", "lift", "", "t", 50), // replaces the profile's
		above("c", "", "robot", "t", 1), above("d", "*", "*", "*", 1), above("e", "gate", "", "t", 1),
	}
	begin(t, estate, lift).value("t", 10).want("+0s raise a t; +0s raise d t")
	begin(t, estate, lift).value("t", 51).want("+0s raise a t; +0s raise b t; +0s raise d t")
	begin(t, estate).value("t", 10).value("u", 10).value("online", 10).want("+0s raise d t; +0s raise d u")
}

func TestWordsAreBoundByTheDevicesProfile(t *testing.T) {
	t.Parallel()
	profile := &device.Profile{Kind: "elevator", Points: []device.Point{{Name: "door", Enum: device.Enum{1: "open"}}}}
	open := device.Rule{ID: "open", Kind: "elevator", Detector: device.Combination, All: []device.Condition{{Metric: "door", Equals: &device.Scalar{Word: "open"}}}}
	begin(t, []device.Rule{open}, device.Device{ID: "lift", Kind: "elevator", Profile: profile}).
		value("door", 1).want("+0s raise open")
	begin(t, []device.Rule{open}).value("door", 1).want("") // nobody knows what open is
}

func TestRulesThatCannotBeJudgedAreRefusedAllAtOnce(t *testing.T) {
	t.Parallel()
	for want, r := range map[string]device.Rule{
		"detector anomaly is not available in this version": {Detector: "anomaly", Metric: "*"},
		"needs above or below":                              {Detector: device.Threshold, Metric: "t"},
		"threshold needs a metric":                          {Detector: device.Threshold, Above: ptr(1.0)},
		"needs after":                                       {Detector: device.Stale},
		"needs conditions":                                  {Detector: device.Combination},
		"knows the word open":                               {Detector: device.Combination, All: []device.Condition{{Metric: "door", Equals: &device.Scalar{Word: "open"}}}},
		"latched needs a metric":                            {Detector: device.Latched},
		"name of an event":                                  {Detector: device.OnEvent},
	} {
		r.ID = "r"
		if err := detect.Check(&r); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
		if strings.Contains(want, "word") {
			continue
		}
		p := &device.Profile{Rules: []device.Rule{{ID: "s", Detector: "sorcery"}}}
		_, err := detect.New([]device.Rule{r}, []device.Device{{ID: "x", Profile: p}})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "device x: rule s: detector sorcery") {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestEvidenceIsTheLastFewValues(t *testing.T) {
	t.Parallel()
	s := begin(t, []device.Rule{hot()})
	for i := range 20 {
		s.at(float64(i)).value("motor_temp", float64(70+i))
	}
	s.at(60)
	var got []string
	for _, e := range s.last[0].Evidence {
		got = append(got, fmt.Sprintf("%d:%g", (e.AtMS-epoch)/1000, e.Value))
	}
	if want := "15:85 16:86 17:87 18:88 19:89"; strings.Join(got, " ") != want {
		t.Errorf("evidence %v", got)
	}
}

func TestInventedMetricNamesAreBounded(t *testing.T) {
	t.Parallel()
	wild := device.Rule{ID: "w", Metric: "*", Detector: device.Threshold, Above: ptr(1.0)}
	named := device.Rule{ID: "n", Metric: "named", Detector: device.Threshold, Above: ptr(1.0)}
	s := begin(t, []device.Rule{wild, named})
	for i := range 3000 {
		s.value(fmt.Sprintf("m%d", i), 2)
	}
	if n := len(s.told); n != 1024 {
		t.Errorf("%d series were judged", n)
	}
	if s.value("named", 2); len(s.told) != 1025 {
		t.Error("a metric that a rule names was crowded out")
	}
}

// Whatever a device says and whenever the edge looks, a condition begins and
// ends in turn, never ends before it began, and never ends on a bad Sample.
func TestFindingsAlternate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r := hot()
		r.For = time.Duration(rapid.IntRange(0, 5).Draw(rt, "for")) * time.Second
		rules := []device.Rule{r, {ID: "flag", Metric: "motor_temp", Detector: device.Latched, Bit: ptr(uint8(0))}}
		b, err := detect.New(rules, nil)
		if err != nil {
			rt.Fatal(err)
		}
		now := telemetry.Origin{EdgeMS: epoch}
		active, began := map[string]bool{}, map[string]int64{}
		for range rapid.IntRange(1, 60).Draw(rt, "steps") {
			step := rapid.Int64Range(1, 4000).Draw(rt, "dt")
			now.EdgeMS, now.MonoMS = now.EdgeMS+step, now.MonoMS+step
			var fs []detect.Finding
			kind := rapid.IntRange(0, 3).Draw(rt, "kind")
			x := telemetry.Sample{Key: telemetry.SeriesKey{Device: "lift", Kind: "elevator", Metric: "motor_temp"}, AtMS: now.EdgeMS}
			switch kind {
			case 0:
				fs = b.Tick(nil, now)
			case 1:
				x.Quality = telemetry.Bad
				fs = b.Step(nil, []telemetry.Sample{x}, now)
			default:
				x.Value = rapid.SampledFrom([]float64{20, 81, 82, 83, 86, 87, math.Inf(1)}).Draw(rt, "v")
				fs = b.Step(nil, []telemetry.Sample{x}, now)
			}
			for _, f := range fs {
				switch {
				case f.Active == active[f.Rule.ID]:
					rt.Fatalf("%s said %v twice", f.Rule.ID, f.Active)
				case kind == 1:
					rt.Fatalf("a bad sample changed %s", f.Rule.ID)
				case !f.Active && f.AtMS < began[f.Rule.ID]:
					rt.Fatalf("%s ended before it began", f.Rule.ID)
				}
				active[f.Rule.ID], began[f.Rule.ID] = f.Active, f.AtMS
			}
		}
	})
}

const benchMetrics = 20

// fleet is an estate of lifts with a threshold, a latch, a stale rule per
// lift and one combination.
func fleet(tb testing.TB, lifts int) (*detect.Bank, [][]telemetry.Sample) {
	tb.Helper()
	var rules []device.Rule
	for m := range benchMetrics {
		r := hot()
		r.ID, r.Metric = fmt.Sprintf("r%d", m), fmt.Sprintf("m%d", m)
		rules = append(rules, r)
	}
	rules = append(rules, device.Rule{ID: "silent", Detector: device.Stale, After: time.Minute})
	rules = append(rules, device.Rule{ID: "both", Detector: device.Combination, All: []device.Condition{{Metric: "m0", Equals: number(1)}, {Metric: "m1", Above: ptr(90.0)}}})
	b, err := detect.New(rules, nil)
	if err != nil {
		tb.Fatal(err)
	}
	batches := make([][]telemetry.Sample, lifts)
	for l := range batches {
		for m := range benchMetrics {
			key := telemetry.SeriesKey{Device: fmt.Sprintf("lift-%d", l), Kind: "elevator", Metric: fmt.Sprintf("m%d", m)}
			batches[l] = append(batches[l], telemetry.Sample{Key: key, Value: 60, AtMS: epoch})
		}
		b.Step(nil, batches[l], telemetry.Origin{})
	}
	return b, batches
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	b, batches := fleet(t, 10)
	now := telemetry.Origin{EdgeMS: epoch}
	var out []detect.Finding
	if n := testing.AllocsPerRun(100, func() {
		for _, batch := range batches {
			out = b.Step(out[:0], batch, now)
		}
		out = b.Tick(out[:0], now)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// 500 B per metric with rules only.
func TestMemoryPerMetric(t *testing.T) {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	const lifts = 500
	b, batches := fleet(t, lifts)
	samples := uint64(len(batches) * benchMetrics * 160)
	runtime.GC()
	runtime.ReadMemStats(&after)
	each := (after.HeapAlloc - before.HeapAlloc - samples) / (lifts * benchMetrics)
	t.Logf("%d B per metric", each)
	if each > 500 {
		t.Errorf("%d B per metric", each)
	}
	runtime.KeepAlive(b)
	runtime.KeepAlive(batches)
}

func BenchmarkStep(b *testing.B) {
	bank, batches := fleet(b, 500)
	now := telemetry.Origin{EdgeMS: epoch}
	var out []detect.Finding
	b.ReportAllocs()
	for i := range b.N {
		batch := batches[i%len(batches)]
		out = bank.Step(out[:0], batch, now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchMetrics), "ns/sample")
}

func BenchmarkTick(b *testing.B) {
	bank, _ := fleet(b, 500)
	var out []detect.Finding
	for range b.N {
		out = bank.Tick(out[:0], telemetry.Origin{EdgeMS: epoch})
	}
}
