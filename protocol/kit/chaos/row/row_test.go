package row_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
)

// quiet is a test whose failure is the point.
type quiet struct {
	testing.TB
	failed  bool
	cleanup []func()
}

func (q *quiet) Errorf(string, ...any) { q.failed = true }
func (q *quiet) Failed() bool          { return q.failed }
func (q *quiet) Cleanup(f func())      { q.cleanup = append(q.cleanup, f) }

func report(t *testing.T, mode string, do func(*row.Row)) row.Report {
	t.Helper()
	dir := t.TempDir()
	t.Setenv("CHAOS_OUT", dir)
	t.Setenv("CHAOS_MODE", mode)
	q := &quiet{TB: t}
	do(row.Begin(q, "R0", "a row"))
	for _, f := range q.cleanup {
		f()
	}
	b, err := os.ReadFile(filepath.Join(dir, "R0."+mode+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var p row.Report
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAReportSaysWhatWasSeen(t *testing.T) {
	p := report(t, "full", func(r *row.Row) {
		if r.N(1, 7) != 7 {
			t.Error("full mode ran the short volume")
		}
		for i := range 100 {
			r.Observe("late_ms", float64(100-i))
		}
		r.Count("cases", 3)
		r.Load(100, 95)
	})
	if p.Verdict != row.Pass || p.Counts["cases"] != 3 || p.Load.Reached != 95 {
		t.Errorf("report: %+v", p)
	}
	if s := p.Percentiles["late_ms"]; s != (row.Spread{N: 100, P50: 51, P90: 91, P99: 100, Max: 100}) {
		t.Errorf("spread: %+v", s)
	}
}

// A run of fewer cases cannot pass for a full one.
func TestAnotherVolumeIsTold(t *testing.T) {
	t.Setenv("CHAOS_N", "5")
	if p := report(t, "full", func(r *row.Row) { r.N(1, 7) }); p.Cases != 5 {
		t.Errorf("report: %+v", p)
	}
}

func TestTooLittleLoadDoesNotCount(t *testing.T) {
	for mode, verdict := range map[string]string{"short": row.TooLittle, "full": row.TooLittle} {
		if p := report(t, mode, func(r *row.Row) { r.Load(100, 89) }); p.Verdict != verdict {
			t.Errorf("%s: %s", mode, p.Verdict)
		}
	}
}

func TestAViolationFails(t *testing.T) {
	p := report(t, "short", func(r *row.Row) { r.Violation("lost %d", 1) })
	if p.Verdict != row.Fail || p.Violations != 1 || len(p.Told) != 1 || p.Told[0] != "lost 1" {
		t.Errorf("report: %+v", p)
	}
}

// Half of the cases are the same in every run.
func TestSeeds(t *testing.T) {
	a, b := row.Begin(&quiet{TB: t}, "R0", "a"), row.Begin(&quiet{TB: t}, "R0", "b")
	if a.Seed(4) != b.Seed(4) || a.Seed(5) == b.Seed(5) {
		t.Error("seeds: even cases must repeat, odd ones must not")
	}
	t.Setenv("CHAOS_SEED", "9")
	if c := row.Begin(&quiet{TB: t}, "R0", "c"); c.Seed(4) != 13 || c.Rand(3).Uint64() != c.Rand(3).Uint64() {
		t.Error("a given seed is not used")
	}
}
