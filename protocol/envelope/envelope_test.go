package envelope_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

const t0 = 1_732_269_600_000

// bySeries is the order a decoded batch comes back in, made comparable.
func bySeries(in []telemetry.Sample) []telemetry.Sample {
	out := slices.Clone(in)
	slices.SortStableFunc(out, func(a, b telemetry.Sample) int {
		return cmp.Or(cmp.Compare(a.Key.Device, b.Key.Device), cmp.Compare(a.Key.Kind, b.Key.Kind), cmp.Compare(a.Key.Metric, b.Key.Metric))
	})
	return out
}

func drawSample(rt *rapid.T) telemetry.Sample {
	s := telemetry.Sample{
		Key: telemetry.SeriesKey{
			Device: rapid.SampledFrom([]string{"lift-1", "lift-2", "gate"}).Draw(rt, "device"),
			Kind:   "elevator",
			Metric: rapid.SampledFrom([]string{"speed", "door"}).Draw(rt, "metric"),
		},
		AtMS:    rapid.Int64().Draw(rt, "at"),
		EdgeMS:  rapid.Int64Range(t0-10, t0+10).Draw(rt, "edge"),
		Quality: rapid.SampledFrom([]telemetry.Quality{telemetry.Good, telemetry.Uncertain, telemetry.Bad}).Draw(rt, "quality"),
		Marks:   telemetry.Marks(rapid.Uint8().Draw(rt, "marks")),
		Reason:  rapid.SampledFrom([]string{"", "timeout", "crc"}).Draw(rt, "reason"),
		Text:    rapid.SampledFrom([]string{"", "", "north"}).Draw(rt, "text"),
	}
	s.Value = rapid.OneOf(
		rapid.Float64(),
		rapid.Map(rapid.Int64Range(-100_000, 100_000), func(i int64) float64 { return float64(i) / 10 }),
		rapid.Map(rapid.Float32(), func(f float32) float64 { return float64(f) }),
		rapid.Just(math.Copysign(0, -1)),
	).Draw(rt, "value")
	if rapid.Bool().Draw(rt, "stamped") {
		s.DeviceMS = rapid.Int64Range(1, math.MaxInt64).Draw(rt, "device time")
	}
	return s
}

func TestWhatGoesInComesOut(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		want := rapid.SliceOfN(rapid.Custom(drawSample), 0, 40).Draw(rt, "samples")
		b, err := envelope.Encode(envelope.Envelope{Schema: envelope.SchemaVersion, Record: envelope.Record{Samples: want}})
		if err != nil {
			rt.Fatal(err)
		}
		got, err := envelope.Decode(b)
		if err != nil {
			rt.Fatal(err)
		}
		if d := gocmp.Diff(bySeries(want), bySeries(got.Samples)); d != "" && len(want) > 0 {
			rt.Fatal(d)
		}
		r, err := envelope.AppendRecord([]byte("kept"), envelope.Record{Samples: want, Local: true})
		if err != nil {
			rt.Fatal(err)
		}
		back, err := envelope.DecodeRecord(r[len("kept"):])
		if err != nil {
			rt.Fatal(err)
		}
		if d := gocmp.Diff(bySeries(want), bySeries(back.Samples)); d != "" && len(want) > 0 || !back.Local {
			rt.Fatal(d)
		}
	})
}

// A later value that needs more decimal places must not push an earlier, large
// one out of range.
func TestALargeValueBesideAFineOne(t *testing.T) {
	t.Parallel()
	key := telemetry.SeriesKey{Device: "meter", Kind: "meter", Metric: "energy"}
	for _, values := range [][]float64{{1 << 44, 0.015625}, {0.015625, 1 << 44}, {9e15, 0.1}, {-(1 << 50), 1e-6, 3}} {
		var want []telemetry.Sample
		for i, v := range values {
			want = append(want, telemetry.Sample{Key: key, AtMS: int64(i), EdgeMS: int64(i), Value: v})
		}
		b, err := envelope.AppendRecord(nil, envelope.Record{Samples: want})
		if err != nil {
			t.Fatal(err)
		}
		got, err := envelope.DecodeRecord(b)
		if err != nil {
			t.Fatal(err)
		}
		if d := gocmp.Diff(want, got.Samples); d != "" {
			t.Errorf("%v: %s", values, d)
		}
	}
}

func fullTransition() ticket.Transition {
	return ticket.Transition{
		ID: "01935", Ticket: "t", Kind: "from_the_future", Stamp: ticket.Stamp{WallMS: t0, Counter: 2, Origin: "e/g", Number: 9},
		AtMS: t0, By: ticket.Actor{Kind: ticket.ByRule, ID: "r"}, Outcome: ticket.Fixed, Note: "备注", Reason: "x", To: "li-wei", AliasID: "u",
		Evidence: []ticket.Evidence{{Metric: "speed", AtMS: t0, Value: 1.5, Text: "fast"}},
		Subject: &ticket.Subject{
			Estate: "e", Edge: "g", Device: "lift-1", DeviceKind: "elevator", Location: "3号楼1单元", Rule: "r", Metric: "speed",
			Fault: ticket.Entrapment, Severity: ticket.Critical, Title: ticket.Title{Code: "entrapment", Params: map[string]string{"floor": "3"}},
		},
		Origin: &ticket.OriginRef{Boot: "b", MonoMS: 5, EdgeMS: t0, ClockTrusted: true},
	}
}

func fullEnvelope() envelope.Envelope {
	return envelope.Envelope{
		Schema: 1, Estate: "e", Edge: "g", Epoch: "01935b", Log: envelope.Alarm, Lane: envelope.LaneAlarm,
		Sequences: []envelope.Range{{First: 1, Last: 1}, {First: 4, Last: 9}},
		Missing:   []envelope.Gap{{Range: envelope.Range{First: 2, Last: 3}, Reason: "damaged", FromMS: t0, ToMS: t0 + 1}},
		Head:      12,
		Record: envelope.Record{
			Origin: telemetry.Origin{Boot: "b", MonoMS: 7, EdgeMS: t0, ClockTrusted: true},
			Samples: []telemetry.Sample{
				{Key: telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "speed"}, AtMS: t0, DeviceMS: t0, EdgeMS: t0 + 3, Value: 1.5},
				{Key: telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "speed"}, AtMS: t0 + 1000, EdgeMS: t0 + 1000, Quality: telemetry.Bad, Reason: "timeout", Marks: telemetry.ReceiveTime},
				{Key: telemetry.SeriesKey{Device: "gate-1", Kind: "access-gate", Metric: "mode"}, AtMS: t0, EdgeMS: t0, Text: "lockdown"},
				{Key: telemetry.SeriesKey{Device: "robot-1", Kind: "patrol-robot", Metric: "x"}, AtMS: t0, EdgeMS: t0, Value: math.Pi},
			},
			Events:      []telemetry.Event{{Device: "gate-1", Kind: "access-gate", Name: "door_forced_open", AtMS: t0, DeviceMS: t0, EdgeMS: t0, Data: []byte(`{"by":"?"}`), Marks: telemetry.Historical}},
			Transitions: []ticket.Transition{fullTransition()},
		},
	}
}

// A receipt that this version cannot read must not make the edge forget.
func TestAnUnknownVerdictIsNoReceipt(t *testing.T) {
	t.Parallel()
	b, err := envelope.EncodeReceipt(envelope.Receipt{Epoch: "x", Log: envelope.Alarm, Sequences: []envelope.Range{{First: 1, Last: 1}}, Verdict: envelope.Stored})
	if err != nil {
		t.Fatal(err)
	}
	i := slices.Index(b, 5<<3) // the tag of field 5, the verdict
	b[i+1] = 9
	if _, err := envelope.DecodeReceipt(b); err == nil {
		t.Error("an unknown verdict was taken for an answer")
	}
}

func FuzzDecode(f *testing.F) {
	for _, e := range []envelope.Envelope{{}, fullEnvelope()} {
		b, err := envelope.Encode(e)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
		r, err := envelope.AppendRecord(nil, e.Record)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(r)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if e, err := envelope.Decode(b); err == nil {
			if _, err := envelope.Encode(e); err != nil {
				t.Fatalf("what was decoded can't be encoded: %v", err)
			}
		}
		_, _ = envelope.DecodeRecord(b)
		_, _ = envelope.DecodeHello(b)
		_, _ = envelope.DecodeReceipt(b)
		_, _ = envelope.DecodeTransitions(b)
		_, _ = envelope.DecodeCommand(b)
	})
}

// batch is what one lift estate yields: series samples, ticks apart, of
// values as sensors give them.
func batch(series, ticks int) []telemetry.Sample {
	metrics := []string{"floor", "speed", "motor_temp", "door", "vibration_z", "runs", "noise", "accel"}
	out := make([]telemetry.Sample, 0, series*ticks)
	for k := range ticks {
		for s := range series {
			at := int64(t0 + k*1000 + s%7)
			v := math.Round(200+50*math.Sin(float64(k*series+s)/40)) / 10
			if s%8 == 0 || s%8 == 3 {
				v = float64((k / 9) % 12)
			}
			out = append(out, telemetry.Sample{
				Key:  telemetry.SeriesKey{Device: "lift-" + string(rune('a'+s/8)), Kind: "elevator", Metric: metrics[s%8]},
				AtMS: at, DeviceMS: at, EdgeMS: at + 4, Value: v,
			})
		}
	}
	return out
}

func TestARealBatchStaysSmall(t *testing.T) {
	t.Parallel()
	samples := batch(100, 10)
	b, err := envelope.Encode(envelope.Envelope{Schema: 1, Estate: "sunrise-garden", Edge: "sunrise-1", Record: envelope.Record{Samples: samples}})
	if err != nil {
		t.Fatal(err)
	}
	if per := float64(len(b)) / float64(len(samples)); per > 3 {
		t.Errorf("%.2f bytes a sample, at most 3 are allowed", per)
	}
}

func BenchmarkEnvelope(b *testing.B) {
	e := envelope.Envelope{Schema: 1, Estate: "sunrise-garden", Edge: "sunrise-1", Record: envelope.Record{Samples: batch(100, 10)}}
	wire, err := envelope.Encode(e)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := envelope.Encode(e); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(len(wire))/float64(len(e.Samples)), "B/sample")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := envelope.Decode(wire); err != nil {
				b.Fatal(err)
			}
		}
	})
}
