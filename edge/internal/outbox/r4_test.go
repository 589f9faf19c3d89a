package outbox_test

import (
	"strings"
	"testing"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
)

// Any file of an outbox is damaged in any way: it opens, serves what is
// undamaged bit by bit, reports what is not, and goes on.
func TestChaosR4(t *testing.T) {
	r := row.Begin(t, "R4", "damaged files of the edge's outbox")
	worlds := []*world{newWorld(t, true, false), newWorld(t, false, false), newWorld(t, true, true), newWorld(t, false, true)}
	kinds := mischiefs()
	n := r.N(400, 10_000)
	for i := range n {
		rng := r.Rand(i)
		w := worlds[rng.IntN(len(worlds))]
		k := kinds[(i/2)%len(kinds)] // fixed and fresh seeds see every kind
		fs := w.disk.Clone()
		var did, names []string
		for more := true; more; more = rng.IntN(4) == 0 {
			if place := k.do(w, fs, rng); place != "" {
				did, names = append(did, k.name+": "+place), append(names, k.name)
			}
			k = kinds[rng.IntN(len(kinds)-1)] // the last kind comes once: two would be another disk
		}
		r.Count("images", 1)
		r.Count("damages", len(did))
		for _, name := range names {
			r.Count("damage: "+name, 1)
		}
		v := w.judge(fs)
		r.Count("records served", v.served)
		r.Count("records lost and reported", v.cost)
		r.Count("records of which nothing was left to tell", v.untold)
		if len(v.broken) > 0 {
			r.Violation("image %d (CHAOS_SEED=%d): %s\n  %s", i, r.Seed(i)-uint64(i), strings.Join(did, "; "), strings.Join(v.broken[:min(len(v.broken), 3)], "\n  "))
		}
	}
}
