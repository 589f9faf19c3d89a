package desk_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/audit"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/protocol/ticket"
)

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
