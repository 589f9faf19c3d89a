package ticket_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/linshao/linshao/protocol/ticket"
)

var kinds = []ticket.Kind{
	ticket.Raise, ticket.Occur, ticket.Clear, ticket.Accept, ticket.Arrive, ticket.Resolve, ticket.Close,
	ticket.Reopen, ticket.Transfer, ticket.Escalate, ticket.Comment, ticket.MarkFalseAlarm, ticket.Alias, "from_the_future",
}

// story builds a log: the raise, then the given kinds, a second apart, all
// written by one side.
func story(fault ticket.Fault, ks ...ticket.Kind) []ticket.Transition {
	stamp := ticket.Stamp{Origin: "e/g"}
	log := make([]ticket.Transition, 0, len(ks)+1)
	for i, k := range append([]ticket.Kind{ticket.Raise}, ks...) {
		at := int64(1000 * (i + 1))
		stamp = stamp.Next(at)
		x := ticket.Transition{
			ID: string(rune('a' + i)), Ticket: "t1", Kind: k, Stamp: stamp, AtMS: at,
			By: ticket.Actor{Kind: ticket.ByStaff, ID: "li-wei"},
		}
		if k == ticket.Raise {
			x.By = ticket.Actor{Kind: ticket.ByRule, ID: "r"}
			x.Subject = &ticket.Subject{Estate: "e", Device: "lift-1", Rule: "r", Fault: fault, Severity: ticket.Critical}
		}
		log = append(log, x)
	}
	return log
}

func TestALifeFromRaiseToClose(t *testing.T) {
	t.Parallel()
	got, ok := ticket.Fold(story(ticket.Entrapment, ticket.Accept, ticket.Arrive, ticket.Clear, ticket.Resolve, ticket.Close))
	if !ok {
		t.Fatal("no ticket")
	}
	if got.State != ticket.Closed || got.Condition != ticket.Cleared || got.Outcome != ticket.Fixed {
		t.Errorf("state %s, condition %s, outcome %s", got.State, got.Condition, got.Outcome)
	}
	want := []int64{1000, 2000, 3000, 5000, 6000, 4000}
	have := []int64{got.RaisedMS, got.AcceptedMS, got.ArrivedMS, got.ResolvedMS, got.ClosedMS, got.ClearedMS}
	if d := cmp.Diff(want, have); d != "" {
		t.Error(d)
	}
}

func TestTheTwoMachinesDoNotMoveEachOther(t *testing.T) {
	t.Parallel()
	cleared, _ := ticket.Fold(story(ticket.Entrapment, ticket.Clear))
	if cleared.State != ticket.Open || cleared.Condition != ticket.Cleared {
		t.Errorf("a clear moved the workflow: %s/%s", cleared.State, cleared.Condition)
	}
	done, _ := ticket.Fold(story(ticket.DoorHeld, ticket.Resolve))
	if done.Condition != ticket.Active {
		t.Errorf("resolving cleared the condition")
	}
}

func TestAConditionThatComesBackReopens(t *testing.T) {
	t.Parallel()
	got, _ := ticket.Fold(story(ticket.DoorForced, ticket.Accept, ticket.Resolve, ticket.Occur))
	if got.State != ticket.Open || got.Occurrences != 2 || got.Assignee != "" || got.AcceptedMS != 0 || got.Outcome != "" {
		t.Errorf("got %+v", got)
	}
}

// A condition of two names, told in the order "second raise, first raise": the
// first one stands before the raise as an occurrence.
func TestTheRaiseInItsPlaceSaysThatTheConditionIsThere(t *testing.T) {
	t.Parallel()
	log := story(ticket.DoorForced, ticket.Clear, ticket.Comment, ticket.Raise)
	log[0].Kind, log[3].Subject, log[0].Subject = ticket.Occur, log[0].Subject, nil
	got, ok := ticket.Fold(log)
	if !ok || got.Condition != ticket.Active || got.ClearedMS != 0 || got.State != ticket.Open || got.Occurrences != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestTransferStartsTheAcceptClockAgain(t *testing.T) {
	t.Parallel()
	log := story(ticket.DoorForced, ticket.Accept, ticket.Transfer)
	log[2].To = "wang-fang"
	got, _ := ticket.Fold(log)
	if got.State != ticket.Open || got.Assignee != "wang-fang" || got.AcceptedMS != 0 {
		t.Errorf("got state %s, assignee %q, accepted %d", got.State, got.Assignee, got.AcceptedMS)
	}
}

func TestNoRaiseNoTicket(t *testing.T) {
	t.Parallel()
	if _, ok := ticket.Fold(story(ticket.DoorForced, ticket.Accept)[1:]); ok {
		t.Error("a ticket without a raise")
	}
}

// Two sides that wrote apart hold the same set in other orders, with copies.
func TestFoldIsCommutativeAndIdempotent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		log := randomLog(rt)
		want, wantOK := ticket.Fold(log)
		seed := rapid.Uint64().Draw(rt, "order")
		shuffled := append([]ticket.Transition(nil), log...)
		shuffled = append(shuffled, log[:len(log)/2]...)
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, j int) {
			shuffled[i], shuffled[j] = shuffled[j], shuffled[i]
		})
		got, gotOK := ticket.Fold(shuffled)
		if wantOK != gotOK {
			rt.Fatalf("one order gave a ticket, the other did not")
		}
		if d := cmp.Diff(want, got); d != "" {
			rt.Fatalf("order mattered: %s", d)
		}
	})
}

// Folding a log, then adding what the other side wrote, is folding it all.
func TestWorkflowStaysConsistent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		got, ok := ticket.Fold(randomLog(rt))
		if !ok {
			return
		}
		if got.State.Unresolved() != (got.Outcome == "") {
			rt.Fatalf("state %s with outcome %q", got.State, got.Outcome)
		}
		if (got.State == ticket.Arrived) && got.ArrivedMS == 0 {
			rt.Fatalf("arrived without an instant")
		}
		if (got.Condition == ticket.Cleared) != (got.ClearedMS != 0) {
			rt.Fatalf("condition %s with cleared at %d", got.Condition, got.ClearedMS)
		}
	})
}

func randomLog(rt *rapid.T) []ticket.Transition {
	n := rapid.IntRange(1, 14).Draw(rt, "n")
	log := make([]ticket.Transition, n)
	for i := range log {
		origin := rapid.SampledFrom([]string{"e/g", "cloud"}).Draw(rt, "origin")
		wall := rapid.Int64Range(1, 8).Draw(rt, "wall")
		log[i] = ticket.Transition{
			ID: string(rune('a' + i)), Ticket: "t1", AtMS: wall * 10,
			Kind:    rapid.SampledFrom(kinds).Draw(rt, "kind"),
			Stamp:   ticket.Stamp{WallMS: wall, Origin: origin, Number: uint64(i)},
			By:      ticket.Actor{Kind: ticket.ByStaff, ID: rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "by")},
			AliasID: ticket.ID(rapid.SampledFrom([]string{"", "t1", "t2"}).Draw(rt, "alias")),
		}
		if log[i].Kind == ticket.Raise {
			log[i].Subject = &ticket.Subject{Estate: "e", Device: "d", Fault: ticket.DoorForced}
		}
	}
	return log
}

func TestStampNeverRunsBackwards(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		s := ticket.Stamp{Origin: "cloud"}
		for range rapid.IntRange(1, 30).Draw(rt, "n") {
			now := rapid.Int64Range(0, 1000).Draw(rt, "now")
			if rapid.Bool().Draw(rt, "observe") {
				other := ticket.Stamp{WallMS: rapid.Int64Range(0, 1_000_000).Draw(rt, "other"), Origin: "e/g", Counter: 3}
				s = s.Observe(other, now, 5000)
				if s.WallMS > 1000+5000 {
					rt.Fatal("followed a clock that is far ahead")
				}
				continue
			}
			next := s.Next(now)
			if next.Compare(s) <= 0 {
				rt.Fatalf("%+v does not follow %+v", next, s)
			}
			s = next
		}
	})
}

func TestAllowed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		fault ticket.Fault
		log   []ticket.Kind
		ask   ticket.Kind
		ok    bool
	}{
		{"accept an open one", ticket.DoorForced, nil, ticket.Accept, true},
		{"accept twice", ticket.DoorForced, []ticket.Kind{ticket.Accept}, ticket.Accept, false},
		{"resolve from afar", ticket.DoorForced, []ticket.Kind{ticket.Accept}, ticket.Resolve, true},
		{"entrapment resolved from afar", ticket.Entrapment, []ticket.Kind{ticket.Accept}, ticket.Resolve, false},
		{"entrapment resolved on the spot", ticket.Entrapment, []ticket.Kind{ticket.Arrive}, ticket.Resolve, true},
		{"entrapment called false from afar", ticket.Entrapment, nil, ticket.MarkFalseAlarm, false},
		{"close before resolving", ticket.DoorForced, nil, ticket.Close, false},
		{"close after", ticket.DoorForced, []ticket.Kind{ticket.Resolve}, ticket.Close, true},
		{"reopen", ticket.DoorForced, []ticket.Kind{ticket.Resolve, ticket.Close}, ticket.Reopen, true},
		{"transfer what is done", ticket.DoorForced, []ticket.Kind{ticket.Resolve}, ticket.Transfer, false},
		{"people cannot clear", ticket.DoorForced, nil, ticket.Clear, false},
		{"comment at any time", ticket.DoorForced, []ticket.Kind{ticket.Resolve, ticket.Close}, ticket.Comment, true},
	} {
		tk, _ := ticket.Fold(story(c.fault, c.log...))
		if err := ticket.Allowed(tk, c.ask); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestNewIDIsOrderedByBirth(t *testing.T) {
	t.Parallel()
	a := ticket.NewID(time.UnixMilli(1_732_269_600_000))
	b := ticket.NewID(time.UnixMilli(1_732_269_600_001))
	if a >= b {
		t.Errorf("%s is not before %s", a, b)
	}
	if len(a) != 36 || a[14] != '7' {
		t.Errorf("%s is no UUIDv7", a)
	}
}
