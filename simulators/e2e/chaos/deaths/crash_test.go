package deaths_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/points"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
	"github.com/linshao/linshao/simulators/pager"
)

// crash is one run of R2: where to die, and how.
type crash struct {
	points.Point
	how string // kill or panic
	// hit is which pass of the point is the last. Where a life passes it less
	// often, it is how many lives in a row end there.
	hit int
}

func (c crash) String() string { return fmt.Sprintf("%s %s at hit %d", c.Name, c.how, c.hit) }

// stage is a town that one crash after another happens in.
type stage struct {
	t     *testing.T
	r     *row.Row
	town  *rig.Town
	cloud *rig.Keeper
	edge  *rig.Keeper
}

// crashLanes is how many crashes happen side by side.
const crashLanes = 2

// TestChaosR2 lets a daemon die at every point that the source marks, in the
// middle of an ordinary workload, restarts it, and judges what is left.
func TestChaosR2(t *testing.T) {
	r := row.Begin(t, "R2", "death at every crash point")
	all, err := points.List(filepath.Join("..", "..", "..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	r.Count("points", len(all))
	var mu sync.Mutex
	hit := map[string]bool{}
	queue := crashes(r, all)
	var next atomic.Int64
	t.Run("lanes", func(t *testing.T) {
		for lane := range crashLanes {
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				s := newStage(t, r)
				for i := next.Add(1) - 1; i < int64(len(queue)); i = next.Add(1) - 1 {
					if s.crash(queue[i]) {
						mu.Lock()
						hit[queue[i].Name] = true
						mu.Unlock()
					}
				}
			})
		}
	})
	r.Count("points_hit", len(hit))
	for _, c := range queue {
		if c.hit == 1 && !hit[c.Name] {
			r.Violation("the workload never reaches %s", c.Name)
		}
	}
}

// crashes are the runs of the row: in full every point at hits 1 to 3, by the
// two ways of dying in turn; in short a few that differ from run to run.
func crashes(r *row.Row, all []points.Point) []crash {
	var runs []crash
	ways := []string{"kill", "panic"}
	for i, p := range all {
		for hit := 1; hit <= 3; hit++ {
			runs = append(runs, crash{p, ways[(i+hit)%2], hit})
		}
	}
	if only := os.Getenv("CHAOS_POINT"); only != "" {
		var some []crash
		for _, c := range runs {
			if strings.HasPrefix(c.Name, only) {
				some = append(some, c)
			}
		}
		return some
	}
	n := r.N(2, len(runs))
	if n < len(runs) {
		rng := r.Rand(1) // odd: new in each run
		rng.Shuffle(len(runs), func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
		quick := runs[:0]
		for _, c := range runs {
			if !slow(c.Name) {
				quick = append(quick, c)
			}
		}
		runs = quick[:n]
	}
	return runs
}

func newStage(t *testing.T, r *row.Row) *stage {
	return &stage{t: t, r: r, town: rig.New(t, rig.Options{Chaos: true, Meters: 2, Metrics: 5, Lifts: 16, Gates: 16})}
}

// crash runs one crash and reports whether the daemon died there, or would
// have if nobody had caught its panic.
func (s *stage) crash(c crash) bool {
	if s.attempt(c, c.hit, 1) {
		s.r.Count("crashes", 1)
		return true
	}
	if c.hit > 1 && s.attempt(c, 1, c.hit) {
		s.r.Count("crashes_in_a_row", 1)
		return true
	}
	return false
}

func (s *stage) attempt(c crash, hit, times int) bool {
	s.town.Reset()
	order := func(deaths int) []string {
		if deaths >= times {
			return nil
		}
		return []string{"CHAOS_POINT=" + c.Name, "CHAOS_HOW=" + c.how, fmt.Sprint("CHAOS_HIT=", hit)}
	}
	return s.story(c, order)
}

// story runs the workload with orders for the daemon that passes the point.
func (s *stage) story(c crash, order func(deaths int) []string) bool {
	began := time.Now()
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	defer cancel()
	s.keep(c.Point, order)
	defer s.cloud.Close()
	defer s.edge.Close()
	if err := s.workload(ctx, c); err != nil {
		s.r.Violation("%s: %v", c, err)
	}
	v, err := s.town.Verdict(ctx, 30*time.Second)
	if err != nil {
		s.r.Violation("%s: %v", c, err)
	}
	s.town.Violated(s.r, c.String()+": ", v)
	s.r.Count("acked", v.Acked)
	s.r.Count("alarms", v.Alarms)
	s.r.Count("pages", v.Pages)
	s.r.Observe("run_ms", float64(time.Since(began).Milliseconds()))
	died := s.cloud.Deaths() + s.edge.Deaths()
	return died > 0 || s.cloud.Said("chaos: "+c.Name) || s.edge.Said("chaos: "+c.Name)
}

// keep starts both daemons, with orders for the one that passes the point,
// logs of their own, and env for every life.
func (s *stage) keep(p points.Point, order func(deaths int) []string, env ...string) {
	edge := s.town.Estates[0].Edge
	none := func(int) []string { return env }
	orders := func(deaths int) []string { return append(order(deaths), env...) }
	toCloud, toEdge := orders, orders
	switch p.Daemon {
	case "edge":
		toCloud = none
	case "cloud":
		toEdge = none
	}
	_ = os.Remove(edge.LogPath())
	_ = os.Remove(s.town.Cloud.LogPath())
	s.cloud = s.town.Keep(s.town.Cloud, toCloud)
	s.edge = s.town.Keep(edge, toEdge)
}

// workload is an ordinary life in short: samples, alarms that people handle,
// an edge and a cloud that are killed, and stopped, and come back.
func (s *stage) workload(ctx context.Context, c crash) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	if strings.HasPrefix(c.Name, "agenda.renew") {
		// A lease is renewed while its page takes long.
		s.town.Pager.Script("", pager.Answer{After: 1500 * time.Millisecond})
	}
	load := s.town.Load(rig.Load{Samples: 400, AlarmEvery: 100 * time.Millisecond, Handle: true})
	defer load.Stop()
	if slow(c.Name) && !strings.HasPrefix(c.Name, "ingest.gaps") {
		s.pause(ctx, 4500*time.Millisecond)
	}
	s.pause(ctx, 200*time.Millisecond)
	s.edge.Bounce(syscall.SIGKILL)
	s.pause(ctx, 50*time.Millisecond)
	s.cloud.Bounce(syscall.SIGKILL)
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.pause(ctx, 200*time.Millisecond)
	s.connected(ctx)
	var both sync.WaitGroup
	both.Go(func() { s.edge.Bounce(syscall.SIGTERM) })
	s.cloud.Bounce(syscall.SIGTERM)
	both.Wait()
	if err := s.ready(ctx); err != nil {
		return err
	}
	s.pause(ctx, 100*time.Millisecond)
	if strings.HasPrefix(c.Name, "ingest.gaps") {
		load.Stop()
		if _, err := s.town.Verdict(ctx, 30*time.Second); err != nil {
			return err
		}
		if err := s.forget(ctx); err != nil {
			return err
		}
		s.connected(ctx)
		s.pause(ctx, time.Second)
	}
	return nil
}

// connected waits until the edge has its uplink: only then it says goodbye.
func (s *stage) connected(ctx context.Context) {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); s.pause(ctx, 10*time.Millisecond) {
		if s.town.Estates[0].Connected(ctx) {
			return
		}
	}
}

// forget has the edge's log of samples lose its end, with samples that nobody
// is promised, which the edge must report as a gap.
func (s *stage) forget(ctx context.Context) error {
	e := s.town.Estates[0]
	e.WAN.Cut()
	bad := s.town.Waste(ctx, e)
	s.edge.Down(func() {
		segments, err := filepath.Glob(filepath.Join(e.Data, "*", "samples", "*.seg"))
		if len(segments) == 0 {
			bad = fmt.Errorf("no segments to remove: %w", err)
			return
		}
		bad = errors.Join(bad, os.Remove(segments[len(segments)-1]))
	})
	e.WAN.Heal()
	return errors.Join(bad, s.edge.Ready(ctx))
}

// slow reports whether only a longer life passes a point.
func slow(point string) bool {
	for _, part := range []string{"agenda.renew", "liveness.", "ingest.gaps"} {
		if strings.HasPrefix(point, part) {
			return true
		}
	}
	return false
}

func (s *stage) ready(ctx context.Context) error {
	return errors.Join(s.cloud.Ready(ctx), s.edge.Ready(ctx))
}

func (s *stage) pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
