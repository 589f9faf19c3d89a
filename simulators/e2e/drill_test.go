package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
	"github.com/linshao/linshao/simulators/e2e/daemon"
)

// A gateway's disk is destroyed while the WAN is cut and devices go on sending,
// and a new one is made from a backup: all that was acknowledged before the
// backup arrives once, each condition is one ticket, and people are paged once.
func TestEdgeRestoreDrill(t *testing.T) {
	t.Parallel()
	town := rig.New(t, rig.Options{})
	town.Start()
	e := town.Estates[0]
	load := town.Load(rig.Load{Samples: 200, AlarmEvery: 100 * time.Millisecond})
	reach(t, "samples and alarms", func() bool { return load.Acked() > 100 && load.Raised() > 2 })
	e.WAN.Cut()
	acked, raised := load.Acked(), load.Raised()
	reach(t, "samples and alarms without a WAN", func() bool { return load.Acked() > acked+100 && load.Raised() > raised+2 })
	lasting, err := town.Force(t.Context(), e)
	if err == nil {
		err = lasting.Send(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	load.Stop()

	backup := filepath.Join(town.Dir, "edge.tar.gz")
	during(t, func(ctx context.Context) { _ = town.Waste(ctx, e) }, func() { edge(t, "backup", "--data-dir", e.Data, backup) })
	e.Edge.Kill()
	if err := os.RemoveAll(e.Data); err != nil {
		t.Fatal(err)
	}
	edge(t, "restore", "--data-dir", e.Data, backup)
	e.Edge.Start()
	town.Ready(e.Edge)
	if err := lasting.Send(t.Context()); err != nil { // what it has not heard the last of
		t.Fatal(err)
	}
	e.WAN.Heal()

	v, err := town.Verdict(t.Context(), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	for _, what := range v.Words() {
		t.Error(what)
	}
	if v.Acked < 200 || v.Alarms < 6 || v.Tickets != v.Alarms || v.OtherTickets != 0 || v.Pages < v.Alarms || v.Repeats != 0 {
		t.Errorf("%d samples, %d alarms, %d tickets and %d others, %d pages and %d again", v.Acked, v.Alarms, v.Tickets, v.OtherTickets, v.Pages, v.Repeats)
	}
}

// during does something over and over while the other thing happens.
func during(t *testing.T, again func(context.Context), once func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for ctx.Err() == nil {
			again(ctx)
		}
	})
	defer wg.Wait()
	defer cancel()
	once()
}

// edge runs a command of linshao-edge.
func edge(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(daemon.Bin(t, "linshao-edge"), args...).CombinedOutput(); err != nil {
		t.Fatalf("linshao-edge %v: %v\n%s", args, err, out)
	}
}

func reach(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-limit.C:
			t.Fatal("waited in vain for ", what)
		}
	}
}
