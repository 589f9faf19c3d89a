package deaths_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/points"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
)

// bite is a promise broken on purpose, where the daemon dies that breaks it,
// and what the checker must find.
type bite struct {
	what chaos.Break
	at   points.Point
	// finds are kinds of violation, one of which must be found.
	finds []string
}

// crashesPerBite is how often the daemon dies with its promise broken, in each
// case late enough that what it said too early is out.
const crashesPerBite = 2

// TestChaosBites breaks promises on purpose and has the harness notice, every
// time; the same story with the promise kept is clean.
func TestChaosBites(t *testing.T) {
	r := row.Begin(t, "BITES", "broken builds are caught")
	bites := []bite{
		{chaos.PubackBeforeSync, points.Point{Name: "segment.append.before", Daemon: "edge"}, []string{"lost", "missing_tickets"}},
		{chaos.SettleOnPuback, points.Point{Name: "ingest.series.before", Daemon: "cloud"}, []string{"lost", "missing_tickets"}},
		{chaos.ReceiptBeforeCommit, points.Point{Name: "ingest.series.before", Daemon: "cloud"}, []string{"lost", "missing_tickets"}},
		{chaos.PageBeforeCommit, points.Point{Name: "dispatch.send.after", Daemon: "cloud"}, []string{"unknown_pages", "duplicate_pages"}},
	}
	var next atomic.Int64
	times, control := r.N(1, 20), r.Rand(1).IntN(len(bites))
	t.Run("lanes", func(t *testing.T) {
		for lane := range crashLanes {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				s := newStage(t, r)
				for i := int(next.Add(1) - 1); i < times*len(bites); i = int(next.Add(1) - 1) {
					s.bite(bites[i%len(bites)], r.Full() || i == control)
				}
			})
		}
	})
}

// bite tells a story with the promise broken, and for control with it kept.
func (s *stage) bite(b bite, control bool) {
	v := s.betray(b, "CHAOS_BREAK="+string(b.what))
	if !slices.ContainsFunc(b.finds, func(kind string) bool { return v.Counts[kind] > 0 }) {
		s.r.Violation("%s was not noticed: %v", b.what, v.Counts)
	} else {
		s.r.Count("caught", 1)
		s.r.Count("caught_"+string(b.what), 1)
	}
	if !control {
		return
	}
	if v := s.betray(b); v.Violations > 0 {
		s.r.Violation("without %s: %v", b.what, v.Words())
	} else {
		s.r.Count("clean", 1)
	}
}

// betray runs a town whose daemon dies at the bite's point a few times.
func (s *stage) betray(b bite, breaks ...string) rig.Verdict {
	s.town.Reset()
	order := func(deaths int) []string {
		if deaths >= crashesPerBite {
			return nil
		}
		return []string{"CHAOS_POINT=" + b.at.Name, "CHAOS_HIT=3", "CHAOS_HOW=late"}
	}
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	s.keep(b.at, order, breaks...)
	defer s.cloud.Close()
	defer s.edge.Close()
	if err := s.ready(ctx); err != nil {
		s.r.Violation("%s: %v", b.what, err)
	}
	load := s.town.Load(rig.Load{Samples: 400, AlarmEvery: 100 * time.Millisecond})
	for s.cloud.Deaths()+s.edge.Deaths() < crashesPerBite && load.Raised() < alarmsPerBite {
		s.pause(ctx, 10*time.Millisecond)
	}
	load.Stop()
	bound := 30 * time.Second
	if len(breaks) > 0 {
		bound = 2 * time.Second
	}
	v, err := s.town.Verdict(ctx, bound)
	if err != nil {
		s.r.Violation("%s: %v", b.what, err)
	}
	return v
}

// alarmsPerBite ends a load whose daemon does not die: a town of 32 devices
// that nobody tends has no alarm left after it.
const alarmsPerBite = 30

// TestChaosBitesLedger skips the ledger. The effects of an Envelope that comes
// twice are idempotent by themselves, so that no ticket and no row is double:
// what shows is a gap that never was, which row R9 judges inside the cloud.
func TestChaosBitesLedger(t *testing.T) {
	r := row.Begin(t, "BITES-LEDGER", "a cloud that skips its ledger is caught by R9")
	if !r.Full() {
		r.NotRun("it builds the cloud's tests anew: full mode only")
	}
	cloud := filepath.Join("..", "..", "..", "..", "cloud")
	bin := filepath.Join(t.TempDir(), "app.test")
	build := exec.CommandContext(t.Context(), "go", "test", "-c", "-tags", "chaos", "-o", bin, "./app")
	build.Dir = cloud
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the cloud's tests: %v\n%s", err, out)
	}
	run := func(breaks string) ([]byte, error) {
		cmd := exec.CommandContext(t.Context(), bin, "-test.run", "^TestChaosR9$/^sqlite$")
		cmd.Dir = filepath.Join(cloud, "app")
		cmd.Env = append(os.Environ(), "CHAOS_OUT=", "CHAOS_MODE=short", "CHAOS_N=", "CHAOS_SEED=", "CHAOS_BREAK="+breaks)
		return cmd.CombinedOutput()
	}
	for range r.N(1, 20) {
		if out, err := run(string(chaos.LedgerSkipped)); err == nil || !strings.Contains(string(out), "R9: ") {
			r.Violation("%s was not noticed: %v", chaos.LedgerSkipped, err)
		} else {
			r.Count("caught", 1)
		}
	}
	if out, err := run(""); err != nil {
		r.Violation("R9 fails although nothing is broken: %v\n%s", err, out)
	}
}
