package lines_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
)

const (
	// memoryGrowth is what a daemon's memory may grow by while ten million
	// samples wait.
	memoryGrowth = 20 << 20
	// memoryGrowthShort leaves room for garbage that nobody had time to
	// collect.
	memoryGrowthShort = 128 << 20
	// calmFor is how long a daemon is left alone before its memory counts: Go
	// collects the garbage of an idle one every two minutes, and gives memory
	// back by and by.
	calmFor = 140 * time.Second
)

// Ten million samples wait on the edge's disk: neither its memory nor the
// cloud's grows with them. What the cloud needs while they come in is told.
func TestChaosMemory(t *testing.T) {
	r := row.Begin(t, "MEMORY", "ten million samples wait")
	samples, calm, growth := r.N(100_000, 10_000_000), 200*time.Millisecond, int64(memoryGrowthShort)
	if r.Full() {
		calm, growth = calmFor, memoryGrowth
	}
	town := rig.New(t, rig.Options{Meters: 5, Metrics: 10})
	town.Start()
	e := town.Estates[0]
	// Both have seen work of that kind, a tenth of it, before they are measured.
	drained := func() bool { return waiting(e.Edge, "samples") == 0 }
	e.WAN.Cut()
	newBacklog(5, 10, samples/10, 100*time.Hour).feed(t, e)
	e.WAN.Heal()
	eventually(t, "the first samples to drain", time.Minute, drained)
	e.WAN.Cut()
	edge, cloud := settled(t, town, calm)

	log := newBacklog(5, 10, samples, 72*time.Hour)
	most := during(t, town, func() {
		began := time.Now()
		log.feed(t, e)
		r.Count("feed_per_s", int(float64(log.samples())/time.Since(began).Seconds()))
	})
	r.Count("edge_feeding_mib", int(most[0]>>20))
	edgeFull, cloudFull := settled(t, town, calm)
	r.Count("samples", log.samples())
	r.Count("outbox_mib", int(metrics(e.Edge)["linshao_edge_outbox_bytes"])>>20)
	judgeGrowth(r, "edge", edge, edgeFull, growth)
	judgeGrowth(r, "cloud", cloud, cloudFull, growth)

	most = during(t, town, func() {
		e.WAN.Heal()
		began := time.Now()
		eventually(t, "ten million samples to drain", 8*time.Minute, drained)
		r.Count("drain_per_s", int(float64(log.samples())/time.Since(began).Seconds()))
	})
	r.Count("edge_draining_mib", int(most[0]>>20))
	r.Count("cloud_draining_mib", int(most[1]>>20))
	edge, cloud = settled(t, town, time.Second)
	r.Count("edge_after_mib", int(edge>>20))
	r.Count("cloud_after_mib", int(cloud>>20))
}

func judgeGrowth(r *row.Row, who string, before, after, growth int64) {
	r.Count(who+"_empty_kib", int(before>>10))
	r.Count(who+"_waiting_kib", int(after>>10))
	if after-before > growth {
		r.Violation("the %s grew from %d to %d kB", who, before>>10, after>>10)
	}
}

// settled leaves edge and cloud alone for a while and returns the least memory
// that they needed meanwhile.
func settled(t *testing.T, town *rig.Town, calm time.Duration) (edge, cloud int64) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	edge, cloud = rss(t, town.Estates[0].Edge), rss(t, town.Cloud)
	for began := time.Now(); time.Since(began) < calm; <-tick.C {
		edge, cloud = min(edge, rss(t, town.Estates[0].Edge)), min(cloud, rss(t, town.Cloud))
	}
	return edge, cloud
}

// during returns the most memory that edge and cloud needed meanwhile.
func during(t *testing.T, town *rig.Town, f func()) (most [2]int64) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for ctx.Err() == nil {
			most[0] = max(most[0], rss(t, town.Estates[0].Edge))
			most[1] = max(most[1], rss(t, town.Cloud))
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	f()
	cancel()
	wg.Wait()
	return most
}
