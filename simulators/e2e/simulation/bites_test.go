package simulation

import (
	"slices"
	"testing"
)

// TestALyingDiskIsNoticed proves that the simulation bites: an edge whose disk
// does not do what it says loses what it acknowledged, in some seeds, and each
// of these fails again the same way.
func TestALyingDiskIsNoticed(t *testing.T) {
	town := newTown(t)
	for seed := uint64(1); seed <= 5; seed++ {
		o := ofSeed(seed, shortFor)
		o.Liveness, o.LyingDisk = false, true // the power goes at the end
		out := simulate(t, town, o)
		if len(out.Violations) == 0 {
			continue
		}
		again := simulate(t, town, o)
		if len(again.Violations) == 0 || !slices.Equal(again.Violations, out.Violations) {
			t.Errorf("seed %d said %q, and again %q", seed, out.Violations, again.Violations)
		}
		return
	}
	t.Error("five power cuts on lying disks lost nothing")
}
