package db_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

func row(estate string, id ticket.ID, raised int64, edit func(*desk.Row)) desk.Row {
	r := desk.Row{ReceivedMS: raised + 5, UpdatedMS: raised + 5}
	r.ID, r.State, r.Condition, r.RaisedMS = id, ticket.Open, ticket.Active, raised
	r.Subject = ticket.Subject{
		Estate: estate, Edge: "e1", Device: "gate-1", DeviceKind: "access-gate", Rule: "forced", Metric: string(id),
		Fault: ticket.DoorForced, Severity: ticket.Major, Title: ticket.Title{Code: "door_forced", Params: map[string]string{"n": "1"}},
	}
	if edit != nil {
		edit(&r)
	}
	return r
}

func TestTicketsAreFiltered(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		inTx(t, s, func(tx *db.Tx) error {
			for _, r := range []desk.Row{
				row("sunrise", "t1", 100, nil),
				row("sunrise", "t2", 200, func(r *desk.Row) { r.State, r.Assignee = ticket.Accepted, "li-wei" }),
				row("sunrise", "t3", 300, func(r *desk.Row) {
					r.Severity, r.Device, r.DeviceKind, r.Aliases = ticket.Critical, "lift-1", "elevator", []ticket.ID{"t3b"}
				}),
				row("moonlight", "t4", 300, nil),
				row("sunrise", "t5", 50, func(r *desk.Row) { r.State = ticket.Closed }),
			} {
				if err := tx.SaveTicket(ctx, r); err != nil {
					return err
				}
			}
			return tx.AddTransitions(ctx, "sunrise", []ticket.Transition{{ID: "x1", Ticket: "t3", Kind: ticket.Raise, Subject: &ticket.Subject{}}})
		})
		mine := access.Scope{Estates: []string{"sunrise"}}
		for name, c := range map[string]struct {
			q    db.TicketQuery
			want []ticket.ID
		}{
			"all":        {db.TicketQuery{Page: db.Page{Scope: everything}}, []ticket.ID{"t4", "t3", "t2", "t1", "t5"}},
			"an estate":  {db.TicketQuery{Page: db.Page{Scope: everything, Estate: "moonlight"}}, []ticket.ID{"t4"}},
			"foreign":    {db.TicketQuery{Page: db.Page{Scope: mine, Estate: "moonlight"}}, nil},
			"no scope":   {db.TicketQuery{}, nil},
			"state":      {db.TicketQuery{Page: db.Page{Scope: mine}, States: []ticket.State{ticket.Accepted, ticket.Closed}}, []ticket.ID{"t2", "t5"}},
			"severity":   {db.TicketQuery{Page: db.Page{Scope: mine}, Severities: []ticket.Severity{ticket.Critical}}, []ticket.ID{"t3"}},
			"assignee":   {db.TicketQuery{Page: db.Page{Scope: mine}, Assignee: "li-wei"}, []ticket.ID{"t2"}},
			"device":     {db.TicketQuery{Page: db.Page{Scope: mine}, Device: "lift-1"}, []ticket.ID{"t3"}},
			"contractor": {db.TicketQuery{Page: db.Page{Scope: mine.LimitTo([]string{"kind:elevator"})}}, []ticket.ID{"t3"}},
			"idle firm":  {db.TicketQuery{Page: db.Page{Scope: mine.LimitTo(nil)}}, nil},
		} {
			rows, next, err := s.Read().Tickets(ctx, c.q)
			var got []ticket.ID
			for _, r := range rows {
				got = append(got, r.ID)
			}
			if d := cmp.Diff(c.want, got); d != "" || err != nil || next != "" {
				t.Errorf("%s: %s %v %q", name, d, err, next)
			}
		}
		q := db.TicketQuery{Page: db.Page{Scope: everything, Limit: 2}, WithLog: true}
		var paged []ticket.ID
		for {
			rows, next, err := s.Read().Tickets(ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range rows {
				paged = append(paged, r.ID)
				if (r.ID == "t3") != (len(r.Log) == 1) {
					t.Errorf("%s has a log of %d", r.ID, len(r.Log))
				}
			}
			if q.Cursor = next; next == "" {
				break
			}
		}
		if d := cmp.Diff([]ticket.ID{"t4", "t3", "t2", "t1", "t5"}, paged); d != "" {
			t.Error(d)
		}
		for id, want := range map[ticket.ID]bool{"t3": true, "t3b": true, "t1": false, "t4": false, "t9": false} {
			if r, ok, err := s.Read().FindTicket(ctx, mine.LimitTo([]string{"lift-1"}), id); ok != want || err != nil || ok && r.ID != "t3" {
				t.Errorf("find %s: %v, %v, %v", id, r.ID, ok, err)
			}
		}
		counts, err := s.Read().CountTickets(ctx)
		want := []db.TicketCount{{ticket.Accepted, ticket.Major, 1}, {ticket.Open, ticket.Critical, 1}, {ticket.Open, ticket.Major, 2}}
		if d := cmp.Diff(want, counts); d != "" || err != nil {
			t.Error(d, err)
		}
	})
}

func TestDeliveriesAndProgress(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		d1 := routing.Delivery{
			ID: "d1", Estate: "sunrise", Ticket: "t1", Step: 1, Track: "rescue", Round: 2, Staff: "li-wei", Channel: "webhook", ChannelIndex: 1,
			State: routing.Unknown, Reason: "no answer", DueMS: 100, SentMS: 110,
			Attempts: []routing.Attempt{{AtMS: 110, TookMS: 10_000, Outcome: routing.Unknown, Detail: "timeout"}},
		}
		d2 := routing.Delivery{ID: "d2", Estate: "sunrise", Ticket: "t1", DueMS: 90, State: routing.Pending}
		progress := routing.Progress{Round: 2, StartMS: 90, Tracks: []routing.TrackProgress{{Track: "rescue", AnchorMS: 90, Done: []string{"desk"}}}}
		inTx(t, s, func(tx *db.Tx) error {
			return errors.Join(tx.SaveTicket(ctx, row("sunrise", "t1", 80, nil)), tx.SaveDelivery(ctx, d1), tx.SaveDelivery(ctx, d2),
				tx.SaveProgress(ctx, "sunrise", "t1", progress))
		})
		d1.State, d1.AcceptedMS = routing.Accepted, 120
		inTx(t, s, func(tx *db.Tx) error { return tx.SaveDelivery(ctx, d1) })
		got, err := s.Read().Deliveries(ctx, "sunrise", "t1")
		if d := cmp.Diff([]routing.Delivery{d2, d1}, got); d != "" || err != nil {
			t.Error(d, err)
		}
		one, ok, err := s.Read().Delivery(ctx, "sunrise", "d1")
		if d := cmp.Diff(d1, one); d != "" || !ok || err != nil {
			t.Error(d, ok, err)
		}
		if _, ok, err := s.Read().Delivery(ctx, "moonlight", "d1"); ok || err != nil {
			t.Error("another estate's delivery", err)
		}
		p, err := s.Read().Progress(ctx, "sunrise", "t1")
		if d := cmp.Diff(progress, p); d != "" || err != nil {
			t.Error(d, err)
		}
		if p, err := s.Read().Progress(ctx, "sunrise", "never"); err != nil || p.Round != 0 {
			t.Error(p, err)
		}
		mine := access.Scope{Estates: []string{"sunrise"}}
		for _, c := range []struct {
			scope access.Scope
			id    ticket.ID
			want  int
		}{{mine, "t1", 2}, {mine, "", 2}, {mine, "t2", 0}, {access.Scope{}, "t1", 0}, {mine.LimitTo([]string{"gate-1"}), "t1", 2}, {mine.LimitTo([]string{"lift-1"}), "t1", 0}} {
			list, next, err := s.Read().ListDeliveries(ctx, db.Page{Scope: c.scope}, c.id)
			if err != nil || len(list) != c.want || next != "" {
				t.Errorf("%+v: %d, %q, %v", c, len(list), next, err)
			}
		}
		first, next, err := s.Read().ListDeliveries(ctx, db.Page{Scope: mine, Limit: 1}, "")
		rest, end, err2 := s.Read().ListDeliveries(ctx, db.Page{Scope: mine, Limit: 1, Cursor: next}, "")
		if err != nil || err2 != nil || first[0].ID != "d1" || rest[0].ID != "d2" || end != "" {
			t.Errorf("pages %v, %v, %v, %v", first, rest, err, err2)
		}
	})
}
