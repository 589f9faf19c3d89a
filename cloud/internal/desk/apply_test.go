package desk_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/protocol/ticket"
)

func TestARaiseBecomesATicketThatIsRoutedAtOnce(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		done := o.apply(o.says("t1", ticket.Raise))
		if done.New != 1 || len(done.Rows) != 1 {
			t.Fatalf("got %+v", done)
		}
		r := o.row("t1")
		if r.Estate != "sunrise" || r.Edge != "e1" {
			t.Errorf("an edge spoke for %s/%s", r.Estate, r.Edge)
		}
		if r.State != ticket.Open || r.Condition != ticket.Active || r.PageableMS != start || r.ReceivedMS != start {
			t.Errorf("got %+v", r)
		}
		minutes := func(n int64) int64 { return start + n*60_000 }
		if d := cmp.Diff(desk.Due{AcceptBy: minutes(30), ResolveBy: minutes(60), FeedbackBy: minutes(24 * 60)}, r.Due); d != "" {
			t.Error(d)
		}
		next, ok, err := o.store.Agenda().NextDue(t.Context(), false)
		if !ok || next != start || err != nil {
			t.Errorf("routing looks at %d, %v, %v", next, ok, err)
		}
		list, _, err := o.store.Read().Changes(t.Context(), 0, 10)
		if err != nil || len(list) != 1 || list[0].Ref != "t1" || list[0].Device != "gate-1" || list[0].DeviceKind != "access-gate" {
			t.Errorf("events %+v, %v", list, err)
		}
		if len(o.down) != 0 {
			t.Errorf("the edge hears its own words: %+v", o.down)
		}
	})
}

func TestReplayingHasNoSecondEffect(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		log := []ticket.Transition{o.says("t1", ticket.Raise), o.says("t1", ticket.Occur), o.says("t1", ticket.Clear)}
		o.apply(append(log, log...)...)
		before := o.row("t1")
		o.d.Pass(60_000)
		for range 3 {
			if done := o.apply(log...); done.New != 0 || len(done.Rows) != 0 {
				t.Errorf("got %+v", done)
			}
		}
		if d := cmp.Diff(before, o.row("t1")); d != "" {
			t.Error(d)
		}
		if before.Occurrences != 2 {
			t.Errorf("%d occurrences", before.Occurrences)
		}
	})
}

func TestOrderOfArrivalDoesNotMatter(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		log := []ticket.Transition{o.says("t1", ticket.Raise), o.says("t1", ticket.Clear)}
		if done := o.apply(log[1]); len(done.Rows) != 0 || done.New != 1 {
			t.Errorf("a ticket without a raise: %+v", done)
		}
		if n := o.count(); n != 0 {
			t.Errorf("%d tickets", n)
		}
		o.apply(log[0])
		if r := o.row("t1"); r.Condition != ticket.Cleared || r.State != ticket.Open {
			t.Errorf("got %s/%s", r.Condition, r.State)
		}
	})
}

func TestUnknownKindsAreKept(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.apply(o.says("t1", ticket.Raise), o.says("t1", "from_the_future"))
		if d := cmp.Diff([]ticket.Kind{ticket.Raise, "from_the_future"}, o.kinds("t1")); d != "" {
			t.Error(d)
		}
	})
}

// One poison record must not hold up the alarms around it.
func TestMalformedTransitionsAreNamedAndSkipped(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		bad := map[string]func(*ticket.Transition){
			"no id":        func(x *ticket.Transition) { x.ID = "" },
			"long id":      func(x *ticket.Transition) { x.ID = strings.Repeat("x", 65) },
			"strange id":   func(x *ticket.Transition) { x.ID = "a\x00b" },
			"no ticket":    func(x *ticket.Transition) { x.Ticket = "" },
			"no kind":      func(x *ticket.Transition) { x.Kind = "" },
			"no subject":   func(x *ticket.Transition) { x.Subject = nil },
			"cloud's name": func(x *ticket.Transition) { x.Stamp.Origin = "cloud" },
			"no time":      func(x *ticket.Transition) { x.AtMS = 1 << 62 },
			"no stamp":     func(x *ticket.Transition) { x.Stamp.WallMS = -1 },
			"strange by":   func(x *ticket.Transition) { x.By.ID = "li\nwei" },
		}
		ts := []ticket.Transition{o.says("t1", ticket.Raise)}
		for name, spoil := range bad {
			x := o.says(ticket.ID(strings.ReplaceAll(name, " ", "-")), ticket.Raise)
			spoil(&x)
			ts = append(ts, x)
		}
		ts = append(ts, o.trapped("t2"))
		done := o.apply(ts...)
		if len(done.Rejected) != len(bad) || done.New != 2 || o.count() != 2 {
			t.Errorf("rejected %d, new %d: %+v", len(done.Rejected), done.New, done.Rejected)
		}
	})
}

// What devices put into names must reach a row on every engine.
func TestStrangeNamesAreMadeFit(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		x := o.says("t1", ticket.Raise)
		x.Subject.Device, x.Subject.Location, x.Note = "gate\x00-1\xff", "东门'; DROP TABLE tickets; -- \\", "a\x00b'\\"
		x.Subject.Title.Params = map[string]string{"value": "\x00\xfe"}
		o.apply(x)
		if r := o.row("t1"); r.Location != "东门'; DROP TABLE tickets; -- \\" || strings.Contains(r.Device, "\x00") {
			t.Errorf("got %q at %q", r.Device, r.Location)
		}
	})
}

func TestASecondRaiseOfAnOpenConditionIsAnOccurrence(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.apply(o.says("t1", ticket.Raise))
		o.must("t1", ticket.Accept)
		o.d.Pass(5000)
		reborn := o.says("t2", ticket.Raise) // the edge lost its disk
		o.apply(reborn)
		o.apply(reborn, o.says("t2", ticket.Clear))

		if n := o.count(); n != 1 {
			t.Fatalf("%d tickets for one condition", n)
		}
		r := o.row("t2")
		if r.ID != "t1" || r.State != ticket.Accepted || r.Occurrences != 2 || r.Condition != ticket.Cleared {
			t.Errorf("got %+v", r)
		}
		if d := cmp.Diff([]ticket.ID{"t2"}, r.Aliases); d != "" {
			t.Error(d)
		}
		// The edge knows the ticket as t2 only: it is told under that name too.
		o.down = nil
		o.must("t2", ticket.Arrive)
		var told []string
		for _, x := range o.down {
			told = append(told, string(x.Ticket)+" "+string(x.Kind))
		}
		if d := cmp.Diff([]string{"t1 arrive", "t2 arrive"}, told); d != "" {
			t.Error(d)
		}
		if o.down[0].ID == o.down[1].ID {
			t.Error("twins share an id")
		}
	})
}

func TestAnAliasAdoptsWhatCameBeforeItsRaise(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.apply(o.says("t1", ticket.Raise))
		raise, clear := o.says("t2", ticket.Raise), o.says("t2", ticket.Clear)
		o.apply(clear)
		o.apply(raise)
		if r := o.row("t1"); r.Condition != ticket.Cleared || r.Occurrences != 2 {
			t.Errorf("got %s, %d occurrences", r.Condition, r.Occurrences)
		}
	})
}

func TestARaiseAfterTheEndIsANewTicket(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.apply(o.says("t1", ticket.Raise))
		o.must("t1", ticket.Accept, ticket.Resolve)
		o.apply(o.says("t2", ticket.Raise))
		if o.count() != 2 || o.row("t2").ID != "t2" {
			t.Error("it vanished into a resolved ticket")
		}
		// One condition has one open ticket: the old one cannot come back.
		_, err := o.act(desk.Act{Ticket: "t1", Kind: ticket.Reopen})
		var no *ticket.NotAllowedError
		if !errors.As(err, &no) || !strings.Contains(no.Why, "t2") {
			t.Errorf("got %v", err)
		}
	})
}

func TestAReopenedTicketStartsARoundOfItsOwn(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.apply(o.says("t1", ticket.Raise))
		first := o.row("t1")
		o.must("t1", ticket.Accept, ticket.Resolve)
		if r := o.row("t1"); r.Round != 0 || r.PageableMS != first.PageableMS || r.Due != first.Due {
			t.Errorf("work moved the clocks: %+v", r)
		}
		o.d.Pass(3_600_000)
		o.apply(o.says("t1", ticket.Occur))
		r := o.row("t1")
		if r.Round != 1 || r.PageableMS != o.d.NowMS() || r.Due.AcceptBy != o.d.NowMS()+30*60_000 || r.ReceivedMS != start {
			t.Errorf("got round %d, pageable %d, due %+v", r.Round, r.PageableMS, r.Due)
		}
	})
}

// 72 hours without a link: the resident's clock ran on, the ladder did not.
func TestALateArrivalKeepsItsTimesAndStartsTheLadderNow(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		x := o.says("t1", ticket.Raise)
		o.d.Pass(72 * 3_600_000)
		o.apply(x)
		r := o.row("t1")
		if r.RaisedMS != start || r.Due.AcceptBy != start+30*60_000 || r.PageableMS != o.d.NowMS() {
			t.Errorf("raised %d, accept by %d, pageable %d", r.RaisedMS, r.Due.AcceptBy, r.PageableMS)
		}
	})
}

func TestALateRaiseWaitsForItsClearButAPassengerDoesNot(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		late, trapped := o.says("t1", ticket.Raise), o.trapped("t2")
		late.AtMS -= 60_000
		trapped.AtMS -= 60_000
		o.arrive(true, late, trapped)
		if r := o.row("t1"); r.PageableMS != start+2000 {
			t.Errorf("pageable after %d ms", r.PageableMS-start)
		}
		if r := o.row("t2"); r.PageableMS != start {
			t.Errorf("a passenger waits %d ms", r.PageableMS-start)
		}
		// More of the backlog must not push it further back.
		o.d.Pass(1500)
		o.arrive(true, o.says("t1", ticket.Occur))
		if r := o.row("t1"); r.PageableMS != start+2000 {
			t.Errorf("pageable after %d ms", r.PageableMS-start)
		}
		works, err := o.store.Agenda().Claim(t.Context(), agenda.Claim{NowMS: start + 2000, LeaseUntilMS: start + 9000, Limit: 9})
		if err != nil || len(works) != 2 || works[0].Key != "route:t2" || works[1].RunAtMS != start+2000 {
			t.Errorf("got %+v, %v", works, err)
		}
	})
}

// A storm of alarms is no backlog: one of a moment ago is paged at once.
func TestAFreshRaiseIsNotHeld(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.arrive(true, o.says("t1", ticket.Raise))
		if r := o.row("t1"); r.PageableMS != start {
			t.Errorf("pageable after %d ms", r.PageableMS-start)
		}
	})
}

// However wrong an edge's clock is, what people do comes after its raise.
func TestAnEdgeFromTheFutureCanStillBeServed(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		for i, far := range []int64{3_600_000, 40 * 365 * 24 * 3_600_000} {
			id := ticket.ID(fmt.Sprint("t", i))
			x := o.says(id, ticket.Raise)
			s := *x.Subject
			s.Metric = string(id)
			x.Subject, x.AtMS = &s, start+far
			x.Stamp = ticket.Stamp{WallMS: start + far, Counter: 1<<32 - 1, Origin: "sunrise/e1", Number: 1 << 40}
			o.apply(x)
			if due := o.row(id).Due.AcceptBy; due != o.d.NowMS()+30*60_000 {
				t.Errorf("the resident is owed an answer only in %d ms", due-o.d.NowMS())
			}
			if r := o.must(id, ticket.Accept, ticket.Arrive, ticket.Resolve); r.State != ticket.Resolved {
				t.Errorf("%s", r.State)
			}
			if d := cmp.Diff([]ticket.Kind{ticket.Raise, ticket.Accept, ticket.Arrive, ticket.Resolve}, o.kinds(id)); d != "" {
				t.Errorf("an effect is ordered before its cause: %s", d)
			}
		}
		// And it drags no other ticket's clock.
		o.stamp = ticket.Stamp{Origin: "sunrise/e1"}
		o.apply(o.trapped("t9"))
		o.must("t9", ticket.Accept)
		if got := o.row("t9").Log[1].Stamp.WallMS; got != o.d.NowMS() {
			t.Errorf("stamped %d ms off", got-o.d.NowMS())
		}
	})
}

func TestAnotherEstatesTicketIsOutOfReach(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.apply(o.says("t1", ticket.Raise))
		before := o.row("t1")
		evil := o.says("t1", ticket.Clear)
		evil.ID = before.Log[0].ID // not even the same id shadows ours
		resolve := o.says("t1", ticket.Resolve)
		err := o.tx(func(tx *db.Tx) error {
			_, err := o.desk.Apply(t.Context(), tx, desk.Arrival{Estate: "moonlight", Edge: "e1", Transitions: []ticket.Transition{evil, resolve}})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(before, o.row("t1")); d != "" {
			t.Error(d)
		}
		err = o.tx(func(tx *db.Tx) error {
			_, err := o.desk.Act(t.Context(), tx, desk.Act{Estate: "moonlight", Ticket: "t1", Kind: ticket.Accept})
			return err
		})
		if !errors.Is(err, desk.ErrNotFound) {
			t.Errorf("got %v", err)
		}
	})
}
