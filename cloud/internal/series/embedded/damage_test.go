package embedded_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/cloud/internal/series/embedded"
	"github.com/linshao/linshao/protocol/telemetry"
)

// A bit of an old segment rots. The library cut the log there and removed all
// that came behind.
func TestADamagedSegmentCostsNothingBehindIt(t *testing.T) {
	t.Parallel()
	const groups, each = 120, 200
	for log, late := range map[string]bool{"wal": false, "wbl": true} {
		t.Run(log, func(t *testing.T) {
			t.Parallel()
			o := options(t.TempDir())
			o.SegmentBytes = 32 << 10
			s, err := embedded.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			lift := telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "motor_temp"}
			tell := func(at int64) {
				b := series.Batch{Estate: "garden", Edge: "garden-1"}
				for i := range int64(each) {
					b.Samples = append(b.Samples, telemetry.Sample{Key: lift, AtMS: at + i, Value: float64(at % 7919)})
				}
				if _, err := s.Append(t.Context(), []series.Batch{b}); err != nil {
					t.Fatal(err)
				}
			}
			told := groups * each
			if late {
				tell(noon.UnixMilli())
				told += each
			}
			for i := range int64(groups) {
				tell(noon.UnixMilli() - 3_000_000 + i*each)
			}
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			segments, err := filepath.Glob(filepath.Join(o.Dir, log, "0*"))
			if err != nil || len(segments) < 5 {
				t.Fatalf("%d segments: %v", len(segments), err)
			}
			rot(t, segments[2], 20<<10)
			again, err := embedded.Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = again.Close() }()
			of := series.Selector{Estate: "garden", Device: "lift-1", Metric: "motor_temp"}
			ps, err := again.Range(t.Context(), of, 0, noon.UnixMilli()+each, 0)
			// A group takes less than 2 KiB, and damage two pages of 32 KiB.
			if most := 40 * each; err != nil || len(ps) < told-most || len(ps) == told {
				t.Errorf("%d of %d samples are there, of %d segments: %v", len(ps), told, len(segments), err)
			}
		})
	}
}

// The library opened no store with a damaged checkpoint.
func TestADamagedCheckpointKeepsNoStoreShut(t *testing.T) {
	t.Parallel()
	o := options(t.TempDir())
	o.SegmentBytes = 32 << 10
	s, err := embedded.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	lift := telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "motor_temp"}
	const told = 36_000
	for at := range int64(told / 100) {
		b := series.Batch{Estate: "garden", Edge: "garden-1"}
		for i := range int64(100) {
			b.Samples = append(b.Samples, telemetry.Sample{Key: lift, AtMS: noon.UnixMilli() - (told-100*at-i)*1000, Value: float64(i)})
		}
		if _, err := s.Append(t.Context(), []series.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(s.Compact(t.Context()), s.Close()); err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob(filepath.Join(o.Dir, "wal", "checkpoint.*", "0*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no checkpoint: %v", err)
	}
	rot(t, names[0], 40)
	again, err := embedded.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	of := series.Selector{Estate: "garden", Device: "lift-1", Metric: "motor_temp"}
	ps, err := again.Range(t.Context(), of, 0, noon.UnixMilli(), 0)
	if err != nil || len(ps) < told/2 { // blocks hold the rest
		t.Errorf("%d of %d samples are there: %v", len(ps), told, err)
	}
}

// rot flips a bit.
func rot(t *testing.T, name string, at int) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	b[at] ^= 4
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
