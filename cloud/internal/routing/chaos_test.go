package routing_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/protocol/ticket"
)

// Half of the histories keep to invariants whatever fails; the other half has
// nothing fail and is told in advance, page by page, by a naive oracle.
func TestChaosR10Escalation(t *testing.T) {
	t.Parallel()
	r := row.Begin(t, "R10-escalation", "escalation against invariants and a naive oracle")
	n := r.N(2000, 34_000)
	for i := range n {
		rng := r.Rand(i)
		broken := func(format string, args ...any) {
			r.Violation("history %d, seed %d: "+format, append([]any{i, r.Seed(i)}, args...)...)
			t.FailNow()
		}
		if i%4 < 2 { // both kinds of seed
			newHistory(t, rng, broken).play()
			continue
		}
		foretell(t, rng, broken)
	}
	r.Count("histories", n)
}

// foretell plays a ladder on which every page is accepted at once, until
// somebody accepts the ticket, and compares.
func foretell(t *testing.T, rng *rand.Rand, broken func(format string, args ...any)) {
	w := newWorld(t, ticket.DoorForced, pick(rng, ticket.Critical, ticket.Major))
	p := routing.Policy{ID: "p", Estate: "garden"}
	var after time.Duration
	for range 1 + rng.IntN(5) {
		p.Steps = append(p.Steps, routing.Step{To: pick(rng, "duty", "leader", "manager", "desk", "maintainer", "staff:off"), After: after})
		after += time.Duration(1+rng.IntN(240)) * time.Second
	}
	w.in.Policies = []routing.Policy{p}
	acceptAt := time.Duration(rng.Int64N(int64(after + time.Minute)))
	w.until(acceptAt)
	w.happen(ticket.Accept, "chen", "")
	w.until(acceptAt + 24*time.Hour)
	if d := cmp.Diff(oracle(p.Steps, acceptAt), sorted(w.story)); d != "" {
		broken("%v, accepted after %s: %s", p.Steps, acceptAt, d)
	}
}

// oracle writes down who is paged when, from the words of the rules alone: li is
// the vanguard member of the shift, chen the rest of it, who follows after half
// of the time to the next step, at most 30 s.
func oracle(steps []routing.Step, accepted time.Duration) []string {
	var out []string
	tell := func(at time.Duration, who string, step int) {
		if at < accepted {
			out = append(out, fmt.Sprintf("%s %s/0 %d accepted", at.Truncate(time.Millisecond), who, step))
		}
	}
	for i, s := range steps {
		switch s.To {
		case "duty":
			rest := 30 * time.Second
			if i+1 < len(steps) {
				rest = min(rest, (steps[i+1].After-s.After)/2)
			}
			tell(s.After, "li", i)
			tell(s.After+rest, "chen", i)
		default:
			tell(s.After, map[string]string{
				"leader": "zhao", "manager": "boss", "desk": "desk", "maintainer": "fix", "staff:off": "off",
			}[s.To], i)
		}
	}
	return sorted(out)
}

func sorted(story []string) []string {
	out := slices.Clone(story)
	slices.SortFunc(out, strings.Compare)
	return out
}
