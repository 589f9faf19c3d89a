package deaths_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
	"github.com/linshao/linshao/simulators/e2e/daemon"
)

// killing is one run of R1.
type killing struct {
	t    *testing.T
	r    *row.Row
	town *rig.Town
	// rest, if not 0, is how long a killer pauses at most between two bouts.
	rest  time.Duration
	left  atomic.Int64 // kills still to come
	limit time.Time    // after which no more begin

	mu    sync.Mutex // guards took
	took  map[string][]float64
	wait  sync.WaitGroup
	seeds int
}

// Edge and cloud (which is collector, notifier and broker in one process) are
// killed 50 to 500 ms after they serve, again and again, under load. Whatever
// a device was told is on disk is in the cloud afterwards, once; each alarm is
// one ticket and is paged; nobody is paged twice.
func TestChaosR1(t *testing.T) {
	r := row.Begin(t, "R1", "kill -9 under load")
	k := &killing{t: t, r: r, took: map[string][]float64{}}
	estates, every, limit := 2, 400*time.Millisecond, 2*time.Second
	if r.Full() {
		estates, every, limit = 10, 2*time.Second, 15*time.Minute
		k.rest = 4 * time.Second
	}
	k.town = rig.New(t, rig.Options{Estates: estates})
	k.town.Start()
	load := k.town.Load(rig.Load{Samples: 500, AlarmEvery: every, Handle: true})
	k.limit = time.Now().Add(limit)
	kills := r.N(200, 1000)
	k.left.Store(int64(kills))
	k.run()
	load.Stop()
	r.Load(500, load.Reached())
	v := k.town.Judge(r)
	if v.Acked == 0 || v.Alarms == 0 {
		t.Errorf("too little load to judge by: %d samples, %d alarms", v.Acked, v.Alarms)
	}
	if r.Full() {
		k.inTime(v)
		if left := k.left.Load(); left > 0 {
			r.Violation("%d of %d kills did not happen within %s", left, kills, limit)
		}
	}
}

// run kills until the row's number is reached: one killer for the cloud, one
// for each handful of edges.
func (k *killing) run() {
	k.killer("cloud", k.town.Cloud)
	const handful = 5
	for i := 0; i < len(k.town.Estates); i += handful {
		var edges []*daemon.Daemon
		for _, e := range k.town.Estates[i:min(i+handful, len(k.town.Estates))] {
			edges = append(edges, e.Edge)
		}
		k.killer("edge", edges...)
	}
	k.wait.Wait()
}

// killer kills its victims in bouts: one that has served for a while, and as
// often as not again, each time 50 to 500 ms after it serves. Only the latter
// count. Without rest the bouts follow each other at once.
func (k *killing) killer(what string, victims ...*daemon.Daemon) {
	rng := k.r.Rand(k.seeds)
	k.seeds++
	k.wait.Go(func() {
		for k.left.Load() > 0 && time.Now().Before(k.limit) && k.t.Context().Err() == nil {
			victim := victims[rng.IntN(len(victims))]
			if k.rest > 0 {
				k.pause(time.Duration(rng.Int64N(int64(k.rest))))
				k.r.Count("kills_at_leisure", 1)
				k.restart(what, victim)
			}
			for range 1 + rng.IntN(4) {
				k.pause(time.Duration(50+rng.IntN(450)) * time.Millisecond)
				k.r.Count("kills_"+what, 1)
				k.restart(what, victim)
				k.left.Add(-1)
			}
		}
	})
}

func (k *killing) pause(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-k.t.Context().Done():
	}
}

// restart kills a daemon, starts it again and waits until it serves.
func (k *killing) restart(what string, d *daemon.Daemon) {
	d.Kill()
	err := d.TryStart()
	var took time.Duration
	if err == nil {
		took, err = d.Ready(time.Minute)
	}
	if err != nil {
		k.t.Error(err)
		return
	}
	ms := float64(took.Microseconds()) / 1000
	k.r.Observe(what+"_restart_ms", ms)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.took[what] = append(k.took[what], ms)
}

// inTime holds the run to the figures of the scorecard, downtime included.
func (k *killing) inTime(v rig.Verdict) {
	slices.Sort(k.took["edge"])
	slices.Sort(k.took["cloud"])
	edge, cloud := k.took["edge"], k.took["cloud"]
	for _, f := range []struct {
		what     string
		ms, most float64
	}{
		{"p99 from alarm to page", v.Latency.P99, 3000},
		{"longest from alarm to page", v.Latency.Max, 10_000},
		{"p99 of an edge's restart", edge[len(edge)*99/100], 300},
		{"longest until the desk could page again", cloud[len(cloud)-1], 3000},
	} {
		if f.ms > f.most {
			k.r.Violation("%s: %.0f ms, at most %.0f", f.what, f.ms, f.most)
		}
	}
}
