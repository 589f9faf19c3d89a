package embedded_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/cloud/internal/series/embedded"
	"github.com/linshao/linshao/protocol/telemetry"
)

// A power cut tears the end of one log, where nothing was acknowledged. The
// library repaired that log, did not read the other one any more, and the
// store then compacted nothing and removed it: late samples with Receipts were
// gone. Both logs may be torn at once.
func TestATornLogDoesNotCostTheOther(t *testing.T) {
	t.Parallel()
	for name, torn := range map[string][]string{"wal": {"wal"}, "wbl": {"wbl"}, "both": {"wal", "wbl"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live, crashed := t.TempDir(), t.TempDir()
			lift := telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "motor_temp"}
			s := open(t, live)
			for _, at := range []int64{-1000, -3_000_000, -500, -2_000_000} {
				b := series.Batch{Estate: "garden", Edge: "garden-1", Samples: []telemetry.Sample{{Key: lift, AtMS: noon.UnixMilli() + at, Value: 7}}}
				if _, err := s.Append(t.Context(), []series.Batch{b}); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.CopyFS(crashed, os.DirFS(live)); err != nil {
				t.Fatal(err)
			}
			for _, log := range torn {
				tear(t, filepath.Join(crashed, log))
			}
			again := open(t, crashed)
			ps, err := again.Range(t.Context(), series.Selector{Estate: "garden", Device: "lift-1", Metric: "motor_temp"}, 0, noon.UnixMilli(), 0)
			if err != nil || len(ps) != 4 {
				t.Errorf("%d of 4 samples are there: %v", len(ps), err)
			}
		})
	}
}

// A power cut can leave a file of mapped chunks empty that is not the newest;
// the library then opened no more.
func TestTornMappedChunksDoNotKeepTheStoreShut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	lift := telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "motor_temp"}
	var b series.Batch
	b.Estate, b.Edge = "garden", "garden-1"
	for i := range int64(400) {
		b.Samples = append(b.Samples, telemetry.Sample{Key: lift, AtMS: noon.UnixMilli() - 500_000 + i*1000, Value: float64(i)})
	}
	if _, err := s.Append(t.Context(), []series.Batch{b}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	heads := filepath.Join(dir, "chunks_head")
	for i := range 3 {
		if err := os.WriteFile(filepath.Join(heads, []string{"000001", "000002", "000003"}[i]), make([]byte, 100*i), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ps, err := open(t, dir).Range(t.Context(), series.Selector{Estate: "garden", Device: "lift-1", Metric: "motor_temp"}, 0, noon.UnixMilli(), 0)
	if err != nil || len(ps) != 400 {
		t.Errorf("%d of 400 samples are there: %v", len(ps), err)
	}
}

// A power cut loses mapped chunks that were never fsynced, and keeps the log's
// note that they are there: the library then left the samples out that both
// the log and the lost chunks held.
func TestLostMappedChunksCostNothing(t *testing.T) {
	t.Parallel()
	const devices, each = 300, 200
	live, crashed := t.TempDir(), t.TempDir()
	s := open(t, live)
	b := series.Batch{Estate: "garden", Edge: "garden-1"}
	for _, late := range []int64{0, 3_600_000} {
		b.Samples = b.Samples[:0]
		for d := range devices {
			key := telemetry.SeriesKey{Device: fmt.Sprintf("lift-%d", d), Kind: "elevator", Metric: "motor_temp"}
			for i := range int64(each) {
				b.Samples = append(b.Samples, telemetry.Sample{Key: key, AtMS: noon.UnixMilli() - late - 300_000 + i*1000, Value: float64(i)})
			}
		}
		if _, err := s.Append(t.Context(), []series.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.CopyFS(crashed, os.DirFS(live)); err != nil {
		t.Fatal(err)
	}
	zero(t, filepath.Join(crashed, "chunks_head"))
	again := open(t, crashed)
	for _, d := range []int{0, devices / 2, devices - 1} {
		of := series.Selector{Estate: "garden", Device: fmt.Sprintf("lift-%d", d), Metric: "motor_temp"}
		if ps, err := again.Range(t.Context(), of, 0, noon.UnixMilli(), 0); err != nil || len(ps) != 2*each {
			t.Errorf("%s: %d of %d samples are there: %v", of.Device, len(ps), 2*each, err)
		}
	}
}

// A power cut keeps a segment and loses one behind it: that of the two removals
// was durable. The library then opened no more.
func TestAHoleInALogIsFilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, dir)
	lift := telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "motor_temp"}
	for _, at := range []int64{-1000, -3_000_000} {
		b := series.Batch{Estate: "garden", Edge: "garden-1", Samples: []telemetry.Sample{{Key: lift, AtMS: noon.UnixMilli() + at, Value: 7}}}
		if _, err := s.Append(t.Context(), []series.Batch{b}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, log := range []string{"wal", "wbl"} {
		if err := os.WriteFile(filepath.Join(dir, log, "00000009"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	of := series.Selector{Estate: "garden", Device: "lift-1", Metric: "motor_temp"}
	if ps, err := open(t, dir).Range(t.Context(), of, 0, noon.UnixMilli(), 0); err != nil || len(ps) != 2 {
		t.Errorf("%d of 2 samples are there: %v", len(ps), err)
	}
}

// A file that only looks like a segment is not filled up to.
func TestAStrayNumberIsNoHole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := open(t, dir).Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "wal", "20261122"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := embedded.Open(t.Context(), options(dir))
	if err == nil {
		t.Error("opened", s.Close())
	}
	if names, err := filepath.Glob(filepath.Join(dir, "wal", "*")); err != nil || len(names) > 10 {
		t.Errorf("%d files: %v", len(names), err)
	}
}

// zero overwrites the middle third of each file.
func zero(t *testing.T, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("nothing in %s: %v", dir, err)
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		used := len(bytes.TrimRight(b, "\x00"))
		clear(b[used/3 : used*2/3])
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// tear appends what is left of a record to the newest segment of a log.
func tear(t *testing.T, dir string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "0*"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no segment in %s: %v", dir, err)
	}
	f, err := os.OpenFile(names[len(names)-1], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte{1, 0, 200, 1, 2, 3, 4, 5, 6, 7}); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
