package embedded_test

import (
	"testing"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/telemetry"
)

// Two starts in a row, nothing told in between: the library removes its last
// mapped chunk, numbers new ones from 1, and took those for compacted ones.
func TestLateSamplesAreThereAfterTwoStartsInARow(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	base := noon.UnixMilli() - 3_600_000
	lift := telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "motor_temp"}
	told := 0
	tell := func(s series.Appender, from, to int64) {
		t.Helper()
		b := series.Batch{Estate: "garden", Edge: "garden-1"}
		for at := from; at < to; at++ {
			b.Samples = append(b.Samples, telemetry.Sample{Key: lift, AtMS: base + at*1000, Value: float64(at)})
			told++
		}
		if _, err := s.Append(t.Context(), []series.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir)
	tell(s, 1000, 1001)
	tell(s, 0, 100) // late
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open(t, dir)
	}
	tell(s, 200, 240) // late, and more than one chunk
	ps, err := s.Range(t.Context(), series.Selector{Estate: "garden", Device: "lift-1", Metric: "motor_temp"}, 0, noon.UnixMilli(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if len(ps) != told {
		t.Errorf("%d of %d samples are there", len(ps), told)
	}
}
