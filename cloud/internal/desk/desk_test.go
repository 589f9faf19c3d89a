package desk_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/audit"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/protocol/ticket"
)

const start = dbtest.StartMS

// office is a Desk over a database, with an edge that reports to it.
type office struct {
	t     *testing.T
	d     *dbtest.Database
	store *db.Store
	desk  *desk.Desk
	stamp ticket.Stamp // the edge's clock
	mu    sync.Mutex
	down  []ticket.Transition
	n     int
}

func offices(t *testing.T, story func(t *testing.T, o *office)) {
	t.Helper()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		o := &office{t: t, d: d, store: s, stamp: ticket.Stamp{Origin: "sunrise/e1"}}
		o.desk = desk.New(desk.Options{
			Clocks: desk.DefaultClocks(),
			Log:    slog.New(slog.NewTextHandler(t.Output(), nil)),
			Route: func(tk ticket.Ticket, atMS int64) agenda.Item {
				return agenda.Item{Estate: tk.Estate, Kind: "route", Key: "route:" + string(tk.ID), RunAtMS: atMS, Urgent: tk.Fault.LifeSafety()}
			},
			Downlink: func(estate, edge string, ts []ticket.Transition) {
				o.mu.Lock()
				defer o.mu.Unlock()
				if estate != "sunrise" || edge != "e1" {
					t.Errorf("downlink to %s/%s", estate, edge)
				}
				o.down = append(o.down, ts...)
			},
		})
		story(t, o)
		o.wantAuditsHold()
	})
}

func (o *office) tx(f func(tx *db.Tx) error) error {
	o.t.Helper()
	return o.store.InTx(o.t.Context(), f)
}

// says makes a Transition of the edge.
func (o *office) says(id ticket.ID, k ticket.Kind) ticket.Transition {
	o.n++
	at := o.d.NowMS()
	o.stamp = o.stamp.Next(at)
	x := ticket.Transition{
		ID: fmt.Sprintf("%s-%s-%d", id, k, o.n), Ticket: id, Kind: k, Stamp: o.stamp, AtMS: at,
		By: ticket.Actor{Kind: ticket.ByRule, ID: "forced"},
	}
	if k == ticket.Raise {
		x.Subject = &ticket.Subject{
			Estate: "claimed", Edge: "claimed", Device: "gate-1", DeviceKind: "access-gate", Rule: "forced",
			Fault: ticket.DoorForced, Severity: ticket.Major, Title: ticket.Title{Code: "door_forced"},
		}
	}
	return x
}

func (o *office) trapped(id ticket.ID) ticket.Transition {
	x := o.says(id, ticket.Raise)
	s := *x.Subject
	s.Device, s.DeviceKind, s.Rule, s.Fault, s.Severity = "lift-1", "elevator", "trapped", ticket.Entrapment, ticket.Critical
	x.Subject = &s
	return x
}

func (o *office) apply(ts ...ticket.Transition) desk.Applied { return o.arrive(false, ts...) }

func (o *office) arrive(behind bool, ts ...ticket.Transition) (done desk.Applied) {
	o.t.Helper()
	err := o.tx(func(tx *db.Tx) (err error) {
		done, err = o.desk.Apply(o.t.Context(), tx, desk.Arrival{Estate: "sunrise", Edge: "e1", Behind: behind, Transitions: ts})
		return err
	})
	if err != nil {
		o.t.Fatal(err)
	}
	return done
}

func (o *office) act(a desk.Act) (row desk.Row, err error) {
	o.t.Helper()
	a.Estate = "sunrise"
	if a.By == (ticket.Actor{}) {
		a.By = ticket.Actor{Kind: ticket.ByStaff, ID: "li-wei"}
	}
	err = o.tx(func(tx *db.Tx) (err error) {
		row, err = o.desk.Act(o.t.Context(), tx, a)
		return err
	})
	return row, err
}

func (o *office) must(id ticket.ID, ks ...ticket.Kind) (row desk.Row) {
	o.t.Helper()
	for _, k := range ks {
		o.d.Pass(1000)
		var err error
		if row, err = o.act(desk.Act{Ticket: id, Kind: k, Reason: "sensor misfire", Note: "seen"}); err != nil {
			o.t.Fatalf("%s: %v", k, err)
		}
	}
	return row
}

func (o *office) row(id ticket.ID) desk.Row {
	o.t.Helper()
	r, ok, err := o.store.Read().TicketWithLog(o.t.Context(), "sunrise", id)
	if err != nil || !ok {
		o.t.Fatalf("ticket %s: %v, %v", id, ok, err)
	}
	return r
}

func (o *office) kinds(id ticket.ID) (ks []ticket.Kind) {
	for _, x := range o.row(id).Log {
		ks = append(ks, x.Kind)
	}
	return ks
}

func (o *office) count() int {
	o.t.Helper()
	rows, _, err := o.store.Read().Tickets(o.t.Context(), db.TicketQuery{Page: db.Page{Scope: access.Scope{AllEstates: true}}})
	if err != nil {
		o.t.Fatal(err)
	}
	return len(rows)
}

func (o *office) wantAuditsHold() {
	o.t.Helper()
	rows, _, err := o.store.Read().Tickets(o.t.Context(), db.TicketQuery{Page: db.Page{Scope: access.Scope{AllEstates: true}}})
	if err != nil {
		o.t.Fatal(err)
	}
	for _, r := range rows {
		if err := o.store.Read().VerifyAudit(o.t.Context(), r.Estate, string(r.ID)); err != nil {
			o.t.Error(err)
		}
	}
}

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
		o.arrive(true, o.says("t1", ticket.Raise), o.trapped("t2"))
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

func TestPeopleWorkATicketToItsEnd(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.apply(o.trapped("t1"))
		r := o.must("t1", ticket.Accept, ticket.Arrive, ticket.Comment, ticket.Resolve, ticket.Close)
		if r.State != ticket.Closed || r.Outcome != ticket.Fixed || r.Assignee != "li-wei" || r.AcceptedMS != start+1000 {
			t.Errorf("got %+v", r)
		}
		if r.Due.AcceptBy != start+3*60_000 || r.Due.ArriveBy != start+15*60_000 {
			t.Errorf("due %+v", r.Due)
		}
		if len(o.down) != 5 || o.down[0].Kind != ticket.Accept || o.down[0].Stamp.Origin != "cloud" {
			t.Errorf("downlink %+v", o.down)
		}
		chain, err := o.store.Read().Audit(t.Context(), "sunrise", "t1")
		if err != nil || len(chain) != 6 || chain[1].By != "li-wei" || chain[1].Kind != "accept" {
			t.Errorf("audit %+v, %v", chain, err)
		}
	})
}

func TestWhatDoesNotFitIsRefusedAndLeavesNoTrace(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.apply(o.trapped("t1"))
		before := o.row("t1")
		notAllowed := func(err error) bool { var e *ticket.NotAllowedError; return errors.As(err, &e) }
		invalid := func(field string) func(error) bool {
			return func(err error) bool { var e *desk.InvalidError; return errors.As(err, &e) && e.Field == field }
		}
		for name, c := range map[string]struct {
			a    desk.Act
			want func(error) bool
		}{
			"false alarm from afar":     {desk.Act{Ticket: "t1", Kind: ticket.MarkFalseAlarm, Reason: "x"}, notAllowed},
			"resolve before arrival":    {desk.Act{Ticket: "t1", Kind: ticket.Resolve}, notAllowed},
			"close an open one":         {desk.Act{Ticket: "t1", Kind: ticket.Close}, notAllowed},
			"a person clears":           {desk.Act{Ticket: "t1", Kind: ticket.Clear}, notAllowed},
			"false alarm, no reason":    {desk.Act{Ticket: "t1", Kind: ticket.MarkFalseAlarm}, invalid("reason")},
			"empty comment":             {desk.Act{Ticket: "t1", Kind: ticket.Comment}, invalid("note")},
			"endless note":              {desk.Act{Ticket: "t1", Kind: ticket.Accept, Note: strings.Repeat("长", 4001)}, invalid("note")},
			"outcome of an acceptance":  {desk.Act{Ticket: "t1", Kind: ticket.Accept, Outcome: ticket.Fixed}, invalid("outcome")},
			"false alarm by the window": {desk.Act{Ticket: "t1", Kind: ticket.Resolve, Outcome: ticket.FalseAlarm}, invalid("outcome")},
			"before the raise":          {desk.Act{Ticket: "t1", Kind: ticket.Accept, AtMS: start - 61_000}, invalid("at")},
			"in the future":             {desk.Act{Ticket: "t1", Kind: ticket.Accept, AtMS: start + 61_000}, invalid("at")},
			"no such ticket":            {desk.Act{Ticket: "t9", Kind: ticket.Accept}, func(err error) bool { return errors.Is(err, desk.ErrNotFound) }},
		} {
			if _, err := o.act(c.a); !c.want(err) {
				t.Errorf("%s: %v", name, err)
			}
		}
		if d := cmp.Diff(before, o.row("t1")); d != "" {
			t.Error(d)
		}
	})
}

func TestATapThatReachedUsLateKeepsItsInstant(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.apply(o.says("t1", ticket.Raise))
		o.d.Pass(3_600_000)
		r, err := o.act(desk.Act{Ticket: "t1", Kind: ticket.Accept, AtMS: start + 40_000})
		if err != nil || r.AcceptedMS != start+40_000 {
			t.Errorf("accepted at %d, %v", r.AcceptedMS, err)
		}
		// A phone whose clock is half a minute ahead arrives now.
		r, err = o.act(desk.Act{Ticket: "t1", Kind: ticket.Arrive, AtMS: o.d.NowMS() + 30_000})
		if err != nil || r.ArrivedMS != o.d.NowMS() {
			t.Errorf("arrived at %d, %v", r.ArrivedMS, err)
		}
	})
}

func TestTheSameTapTwiceIsOneTransition(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.apply(o.says("t1", ticket.Raise))
		for range 3 {
			r, err := o.act(desk.Act{ID: "tap-1", Ticket: "t1", Kind: ticket.Accept})
			if err != nil || r.State != ticket.Accepted {
				t.Fatalf("got %s, %v", r.State, err)
			}
		}
		if d := cmp.Diff([]ticket.Kind{ticket.Raise, ticket.Accept}, o.kinds("t1")); d != "" {
			t.Error(d)
		}
	})
}

func TestOfTwoWhoAcceptAtOnceOneHasIt(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.apply(o.says("t1", ticket.Raise))
		var wg sync.WaitGroup
		errs := make([]error, 6)
		for i := range errs {
			wg.Go(func() {
				_, errs[i] = o.act(desk.Act{Ticket: "t1", Kind: ticket.Accept, By: ticket.Actor{Kind: ticket.ByStaff, ID: fmt.Sprint("p", i)}})
			})
		}
		wg.Wait()
		got := 0
		for _, err := range errs {
			var no *ticket.NotAllowedError
			switch {
			case err == nil:
				got++
			case !errors.As(err, &no):
				t.Error(err)
			}
		}
		if got != 1 || len(o.kinds("t1")) != 2 {
			t.Errorf("%d accepted, log %v", got, o.kinds("t1"))
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

func TestTheCloudRaisesAndClearsByItself(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		s := ticket.Subject{Estate: "sunrise", Edge: "e1", Rule: "edge_silent", Metric: "e1", Fault: ticket.EstateDark, Severity: ticket.Major}
		by := ticket.Actor{Kind: ticket.BySystem}
		raise := func() (r desk.Row) {
			if err := o.tx(func(tx *db.Tx) (err error) {
				r, err = o.desk.Raise(t.Context(), tx, "", s, tx.NowMS(), by, "")
				return err
			}); err != nil {
				t.Fatal(err)
			}
			o.d.Pass(1000)
			return r
		}
		clear := func() {
			if err := o.tx(func(tx *db.Tx) error { return o.desk.Clear(t.Context(), tx, s.Key(), tx.NowMS(), by) }); err != nil {
				t.Fatal(err)
			}
			o.d.Pass(1000)
		}
		clear() // nothing there
		first := raise()
		if again := raise(); again.ID != first.ID || again.Occurrences != 1 {
			t.Errorf("still silent: %+v", again)
		}
		clear()
		clear()
		if r := raise(); r.ID != first.ID || r.Occurrences != 2 || r.Condition != ticket.Active {
			t.Errorf("silent again: %+v", r)
		}
		o.must(first.ID, ticket.Resolve)
		clear()
		if r := o.row(first.ID); r.Condition != ticket.Cleared {
			t.Error("a resolved ticket stays active for ever")
		}
		if r := raise(); r.ID == first.ID {
			t.Error("a new silence hides in a resolved ticket")
		}
	})
}

func TestPeoplesReportsAreTicketsOfTheirOwn(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		report := func(r desk.Report) (row desk.Row, err error) {
			r.Estate, r.By = "sunrise", ticket.Actor{Kind: ticket.ByReporter}
			err = o.tx(func(tx *db.Tx) (err error) {
				row, err = o.desk.Report(t.Context(), tx, r)
				return err
			})
			return row, err
		}
		a, errA := report(desk.Report{ID: "r1", Device: "gate-1", Kind: "access-gate", Text: "门关不上"})
		b, errB := report(desk.Report{Device: "gate-1", Kind: "access-gate", Text: "gate is stuck"})
		if errA != nil || errB != nil || a.ID == b.ID || a.Fault != ticket.HumanReported || a.Severity != ticket.Minor {
			t.Errorf("got %+v, %v and %+v, %v", a, errA, b, errB)
		}
		if again, err := report(desk.Report{ID: "r1", Text: "门关不上"}); err != nil || again.ID != "r1" || o.count() != 2 {
			t.Errorf("got %+v, %v", again, err)
		}
		if got := o.row("r1").Log[0].Note; got != "门关不上" {
			t.Errorf("note %q", got)
		}
		for _, bad := range []desk.Report{{Text: ""}, {Text: "x", AtMS: start + 3_600_000}, {Text: "x", ID: ticket.ID(strings.Repeat("x", 65))}} {
			var e *desk.InvalidError
			if _, err := report(bad); !errors.As(err, &e) {
				t.Errorf("%+v: %v", bad, err)
			}
		}
	})
}

// Whatever a live downlink lost, the next hello brings.
func TestAHelloGetsAllThatConcernsTheEdge(t *testing.T) {
	t.Parallel()
	offices(t, func(t *testing.T, o *office) {
		o.apply(o.says("old", ticket.Raise))
		o.must("old", ticket.Accept, ticket.Resolve)
		o.d.Pass(3_600_000)
		since := o.d.NowMS()
		o.apply(o.trapped("open"))
		o.must("open", ticket.Accept)
		o.apply(o.says("done", ticket.Raise))
		o.must("done", ticket.Accept, ticket.Resolve)
		o.d.Pass(3_600_000)
		down, err := o.store.Read().Downlinks(t.Context(), "sunrise", "e1", since)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, x := range down {
			got = append(got, string(x.Ticket)+" "+string(x.Kind))
		}
		if d := cmp.Diff([]string{"open accept", "done accept", "done resolve"}, got); d != "" {
			t.Error(d)
		}
		if other, err := o.store.Read().Downlinks(t.Context(), "sunrise", "e2", 0); err != nil || len(other) != 0 {
			t.Errorf("another edge hears %+v, %v", other, err)
		}
	})
}

func TestTamperingWithTheRecordIsFound(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		o := &office{t: t, d: d, store: s, stamp: ticket.Stamp{Origin: "sunrise/e1"}}
		o.desk = desk.New(desk.Options{Clocks: desk.DefaultClocks(), Route: func(tk ticket.Ticket, atMS int64) agenda.Item {
			return agenda.Item{Estate: tk.Estate, Key: string(tk.ID), RunAtMS: atMS}
		}})
		o.apply(o.says("t1", ticket.Raise))
		o.must("t1", ticket.Accept, ticket.Arrive, ticket.Resolve)
		o.wantAuditsHold()
		entries, err := s.Read().Audit(t.Context(), "sunrise", "t1")
		if err != nil {
			t.Fatal(err)
		}
		docs, err := s.Read().TransitionDocs(t.Context(), "sunrise", []string{entries[1].Ref})
		if err != nil {
			t.Fatal(err)
		}
		forged := []byte(strings.Replace(string(docs[entries[1].Ref]), "li-wei", "nobody", 1))
		err = audit.VerifyDocs(entries, func(ref string) []byte {
			if ref == entries[1].Ref {
				return forged
			}
			return nil
		})
		var broken *audit.BrokenError
		if !errors.As(err, &broken) || broken.N != 1 {
			t.Errorf("got %v", err)
		}
	})
}

func TestThePersonsClockRunsFromTheDeliveredPage(t *testing.T) {
	t.Parallel()
	c := desk.DefaultClocks()
	if got := c.AnswerBy(ticket.Critical, ticket.Entrapment, start); got != start+3*60_000 {
		t.Errorf("%d", got-start)
	}
	if got := c.AnswerBy(ticket.Minor, ticket.DoorHeld, start); got != start+30*60_000 {
		t.Errorf("%d", got-start)
	}
	if got := c.AnswerBy(ticket.Minor, ticket.DoorHeld, 0); got != 0 {
		t.Errorf("judged before the page: %d", got)
	}
	c.BySeverity[ticket.Minor] = desk.Targets{Accept: 5 * time.Minute}
	if got := c.Due(ticket.Minor, ticket.DoorHeld, start); got != (desk.Due{AcceptBy: start + 5*60_000}) {
		t.Errorf("%+v", got)
	}
}
