package fleet_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/ticket"
)

func silent(vs []fleet.Silence) map[string]bool {
	m := map[string]bool{}
	for _, v := range vs {
		m[v.Edge.ID] = v.Silent
	}
	return m
}

func TestAnEdgeThatFallsSilentIsNoticedOnTime(t *testing.T) {
	t.Parallel()
	w := fleet.Watch{AfterMS: 45_000}
	edges := []fleet.Edge{
		{ID: "talks", LastSeenMS: 100_000},
		{ID: "gone", LastSeenMS: 60_000},
		{ID: "never-connected"},
	}
	got, next := w.Judge(edges, 104_999)
	if d := cmp.Diff(map[string]bool{"talks": false, "gone": false}, silent(got)); d != "" {
		t.Error(d)
	}
	if next != 105_000 {
		t.Errorf("next look at %d", next)
	}
	got, next = w.Judge(edges, next)
	if d := cmp.Diff(map[string]bool{"talks": false, "gone": true}, silent(got)); d != "" {
		t.Error(d)
	}
	if next != 145_000 {
		t.Errorf("next look at %d", next)
	}
}

// While the collector was down nobody could be heard; its start must not
// raise a ticket for every edge.
func TestTheWatchCountsFromItsOwnStart(t *testing.T) {
	t.Parallel()
	w := fleet.Watch{AfterMS: 45_000, SinceMS: 1_000_000}
	edges := []fleet.Edge{{ID: "e", LastSeenMS: 1}}
	if got, _ := w.Judge(edges, 1_044_999); got[0].Silent {
		t.Error("judged before it could be heard")
	}
	if got, next := w.Judge(edges, 1_045_000); !got[0].Silent || next != 0 {
		t.Errorf("silent %v, next %d", got[0].Silent, next)
	}
}

func TestEachEdgeHasATicketOfItsOwn(t *testing.T) {
	t.Parallel()
	a := fleet.Silence{Edge: fleet.Edge{ID: "a", Estate: "sunrise"}}.Subject()
	b := fleet.Silence{Edge: fleet.Edge{ID: "b", Estate: "sunrise"}}.Subject()
	if a.Key() == b.Key() {
		t.Error("two edges share a key")
	}
	if a.Fault != ticket.EstateDark || a.Estate != "sunrise" {
		t.Errorf("got %+v", a)
	}
}

func TestTwoSessionsFromOnePredecessorAreAClone(t *testing.T) {
	t.Parallel()
	line := []fleet.Session{{"ep", "s1", ""}, {"ep", "s2", "s1"}, {"ep", "s3", "s2"}}
	for _, c := range []struct {
		name  string
		next  fleet.Session
		clone bool
	}{
		{"the line goes on", fleet.Session{Epoch: "ep", Session: "s4", Previous: "s3"}, false},
		{"a hello heard twice", fleet.Session{Epoch: "ep", Session: "s3", Previous: "s2"}, false},
		{"a hello that was missed", fleet.Session{Epoch: "ep", Session: "s9", Previous: "s8"}, false},
		{"a copy of yesterday's disk", fleet.Session{Epoch: "ep", Session: "x", Previous: "s1"}, true},
		{"a copy of the first disk", fleet.Session{Epoch: "ep", Session: "x", Previous: ""}, true},
		{"a new disk", fleet.Session{Epoch: "new", Session: "x", Previous: ""}, false},
	} {
		if got := fleet.Clone(line, c.next); got != c.clone {
			t.Errorf("%s: clone %v", c.name, got)
		}
	}
}

func TestAHelloSaysWhatIsThere(t *testing.T) {
	t.Parallel()
	h := envelope.Hello{
		Estate: "sunrise", Edge: "sunrise-1", Version: "1.2", Session: "s2", Previous: "s1", EdgeMS: 5_250,
		Heads:   []envelope.LogHead{{Log: envelope.Alarm, Head: 7, Oldest: 3}},
		Devices: []envelope.Device{{ID: "gate-1", Kind: "access-gate", Points: []envelope.Point{{Metric: "door"}}}},
	}
	e := fleet.Edge{}.Greet(h, 5_000)
	if e.SkewMS != 250 || !e.Online || e.LastSeenMS != 5_000 || e.Predecessor != "s1" {
		t.Errorf("got %+v", e)
	}
	ds := fleet.DevicesOf(h)
	if len(ds) != 1 || ds[0].Estate != "sunrise" || ds[0].Edge != "sunrise-1" || ds[0].Points[0].Metric != "door" {
		t.Errorf("got %+v", ds)
	}
}
