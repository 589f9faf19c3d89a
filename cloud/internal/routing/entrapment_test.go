package routing_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

// at returns who was paged at an instant.
func (w *world) at(d time.Duration) []string {
	var out []string
	for _, line := range w.story {
		if f := strings.Fields(line); f[0] == d.String() {
			out = append(out, strings.TrimSuffix(f[1], "/0"))
		}
	}
	slices.Sort(out)
	return out
}

func TestAnEntrapmentPagesThreeInParallel(t *testing.T) {
	t.Parallel()
	for _, policies := range [][]routing.Policy{nil, example()} {
		w := newWorld(t, ticket.Entrapment, ticket.Critical)
		w.in.Policies = policies
		w.until(4 * time.Minute)
		if got := w.at(0); !slices.Equal(got, []string{"desk", "fix", "li"}) {
			t.Errorf("at once: %v", got)
		}
		if got := w.at(3 * time.Minute); !slices.Equal(got, []string{"boss", "desk"}) {
			t.Errorf("at 3 min: %v", got)
		}
		if got := w.at(time.Minute); !slices.Equal(got, []string{"zhao"}) {
			t.Errorf("the policy's own steps at 1 min: %v", got)
		}
	}
}

func TestNobodysAcceptanceStopsAnothersTrack(t *testing.T) {
	t.Parallel()
	for _, who := range []string{"li", "fix", "desk", "boss"} {
		w := newWorld(t, ticket.Entrapment, ticket.Critical)
		w.until(time.Second)
		w.happen(ticket.Accept, who, "")
		w.until(4 * time.Minute)
		want := slices.DeleteFunc([]string{"boss", "desk"}, func(s string) bool { return s == who })
		if got := w.at(3 * time.Minute); !slices.Equal(got, want) {
			t.Errorf("%s accepted; at 3 min: %v", who, got)
		}
		if got := w.at(time.Minute); !slices.Equal(got, []string{"zhao"}) {
			t.Errorf("%s accepted; the leader at 1 min: %v", who, got)
		}
	}
}

func TestAnEntrapmentGoesOnWhenTheConditionClearsAndEndsWithTheRescue(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.Entrapment, ticket.Critical)
	w.until(time.Second)
	w.happen(ticket.Clear, "", "")
	w.until(4 * time.Minute)
	if got := w.at(3 * time.Minute); len(got) != 2 {
		t.Errorf("a cleared condition stopped the rescue: %v", got)
	}
	w.happen(ticket.Arrive, "fix", "")
	w.happen(ticket.Resolve, "fix", "")
	n := len(w.story)
	w.until(48 * time.Hour)
	if len(w.story) != n {
		t.Errorf("paged after the rescue: %v", w.story[n:])
	}
}

func TestAnEstateWithoutDeskOrMaintainer(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.Entrapment, ticket.Critical)
	w.in.Plan.Staff = slices.Concat(w.in.Plan.Staff[:2], w.in.Plan.Staff[4:])
	w.until(time.Second)
	if got := w.at(0); !slices.Equal(got, []string{"boss", "li"}) {
		t.Errorf("at once: %v; the manager stands in for the desk", got)
	}
	if !w.why("nobody_found") {
		t.Error("the missing maintainer was passed over in silence")
	}
}

func TestARescueWaitsForNoRetry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.Entrapment, ticket.Critical)
	w.answer = func(d routing.Delivery) routing.DeliveryState {
		if d.Staff == "li" {
			return routing.Rejected
		}
		return routing.Accepted
	}
	w.until(time.Second)
	if got := w.at(0); !slices.Contains(got, "chen") {
		t.Errorf("at once: %v; the member on duty can't be reached, and nobody took the place", got)
	}
}
