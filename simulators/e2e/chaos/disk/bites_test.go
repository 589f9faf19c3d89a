package disk_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/cell"
)

const brokenEdge = "chaos/linshao-edge"

// An edge that breaks its promises about the disk on purpose is caught every
// time: else R3 and R6 would pass for lack of teeth.
func TestChaosBitesDisk(t *testing.T) {
	r := row.Begin(t, "BITES-DISK", "edges that break promises about the disk are caught")
	needTool(r, "strace")
	for i := range r.N(1, 10) {
		dir := filepath.Join(fast(t), fmt.Sprint(i))
		caught(r, chaos.SyncErrorIgnored, syncBites(t, r, dir+"-sync", i))
		caught(r, chaos.PubackBeforeSync, powerBites(t, r, dir+"-power"))
	}
}

func caught(r *row.Row, b chaos.Break, violations int) {
	r.Count("broken_builds", 1)
	if violations == 0 {
		r.Violation("%s was not caught", b)
		return
	}
	r.Count("caught", 1)
}

// syncBites fails a sync of an edge that goes on as if nothing had been.
func syncBites(t *testing.T, r *row.Row, dir string, i int) int {
	c := smallCell(t, dir, brokenEdge, "CHAOS_BREAK="+string(chaos.SyncErrorIgnored))
	s := story{
		c: c, paths: segments(c.Data, "samples"), j: cell.NewJournal(), rng: r.Rand(i),
		f: fault{calls: "fdatasync", what: "error=EIO", when: fmt.Sprintf("%d+3", 2+i%3)}, // the first may be that of a new segment
	}
	s.run()
	if s.faults == nil || !strings.Contains(fmt.Sprint(s.faults.Injected), ".seg") {
		t.Errorf("no sync of a segment was made to fail: %v", s.violations)
	}
	return len(s.violations)
}

// powerBites cuts the power of an edge that acknowledges too early.
func powerBites(t *testing.T, r *row.Row, dir string) int {
	x := newRecorder(t, filepath.Join(dir, "recorded"), brokenEdge, "CHAOS_BREAK="+string(chaos.PubackBeforeSync))
	tr := x.run(false)
	rec, err := cell.Recorded(tr, portOf(t, x.c.MQTT), portOf(t, x.c.Collector.URL()))
	must(t, err)
	var n atomic.Int64
	e := edgeImages{t: t, r: r, dir: dir, tr: tr, rec: rec, violate: func(string, ...any) { n.Add(1) }}
	e.run(24)
	return int(n.Load())
}
