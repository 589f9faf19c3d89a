package desk_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/agenda"
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
