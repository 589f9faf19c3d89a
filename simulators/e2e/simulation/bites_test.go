package simulation

import (
	"slices"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
)

// TestChaosR11Replay proves that the simulation bites: edges whose disks do not
// do what they say lose what they acknowledged. A seed that shows it shows the
// same again each time.
func TestChaosR11Replay(t *testing.T) {
	r := row.Begin(t, "R11-replay", "a failing seed of the simulation fails again, the same way")
	town := newTown(t)
	o := Options{For: 4 * time.Minute, LyingDisk: true} // the power goes at the end
	var first Outcome
	for o.Seed = 1; len(first.Violations) == 0; o.Seed++ {
		if o.Seed > 9 {
			r.Violation("nine power cuts on lying disks lost nothing")
			return
		}
		first = simulate(t, town, o)
	}
	o.Seed-- // the loop went one further
	for range r.N(1, 100) {
		again := simulate(t, town, o)
		r.Count("replays", 1)
		if !slices.Equal(again.Violations, first.Violations) {
			r.Violation("seed %d said %q, and again %q", o.Seed, first.Violations, again.Violations)
		}
		if again.Trace == first.Trace {
			r.Count("replays_with_the_same_trace", 1)
		}
	}
}
