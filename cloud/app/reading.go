package app

import (
	"context"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/console"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

// reading lets the console read the database.
type reading struct{ store *db.Store }

var (
	_ console.Fleet   = reading{}
	_ console.Tickets = reading{}
	_ console.Changes = reading{}
)

func pageOf(q console.Query) db.Page {
	return db.Page{Scope: q.Scope, Estate: q.Estate, Cursor: q.Cursor, Limit: q.Limit}
}

func (r reading) Estate(ctx context.Context, id string) (fleet.Estate, bool, error) {
	return r.store.Read().Estate(ctx, id)
}

func (r reading) Estates(ctx context.Context, q console.Query) ([]fleet.Estate, string, error) {
	return listed(r.store.Read().Estates(ctx, pageOf(q)))
}

func (r reading) Edges(ctx context.Context, q console.Query) ([]fleet.Edge, string, error) {
	return listed(r.store.Read().Edges(ctx, pageOf(q)))
}

func (r reading) Losses(ctx context.Context, q console.Query) ([]console.Loss, error) {
	if q.Scope.Limited {
		return nil, nil
	}
	sums, err := r.store.Read().GapSums(ctx, pageOf(q))
	out := make([]console.Loss, len(sums))
	for i, s := range sums {
		out[i] = console.Loss{Estate: s.Estate, Edge: s.Edge, Gaps: s.Count, Records: s.Records, LastMS: s.LastMS}
	}
	return out, err
}

func (r reading) Gaps(ctx context.Context, q console.GapQuery) ([]console.Gap, string, error) {
	rows, next, err := listed(r.store.Read().ListGaps(ctx, db.GapQuery{Page: pageOf(q.Query), Edge: q.Edge, FromMS: q.FromMS, ToMS: q.ToMS}))
	out := make([]console.Gap, len(rows))
	for i, g := range rows {
		out[i] = console.Gap{
			Estate: g.Estate, Edge: g.Edge, Log: string(g.Log), Reason: g.Reason, Records: int64(g.Last - g.First + 1), //nolint:gosec // bounded when it was saved
			FromMS: g.FromMS, ToMS: g.ToMS, HeardMS: g.HeardMS,
		}
	}
	return out, next, err
}

func (r reading) Devices(ctx context.Context, q console.Query) ([]fleet.Device, string, error) {
	return listed(r.store.Read().Devices(ctx, pageOf(q)))
}

func (r reading) DevicesNamed(ctx context.Context, scope access.Scope, id string) ([]fleet.Device, error) {
	return r.store.Read().DevicesNamed(ctx, scope, id)
}

func (r reading) ClockDays(ctx context.Context, estate, device string, limit int) ([]console.ClockDay, error) {
	days, err := r.store.Read().ClockDays(ctx, estate, device, limit)
	out := make([]console.ClockDay, len(days))
	for i, d := range days {
		out[i] = console.ClockDay{
			DayMS: d.DayMS, Samples: d.Samples, Corrected: d.Corrected, Untrusted: d.Untrusted, Disbelieved: d.Disbelieved, Late: d.Late,
			MostMS: d.MostMS, FirstMS: d.FirstMS, LastMS: d.LastMS,
		}
	}
	return out, err
}

func (r reading) Tickets(ctx context.Context, q console.TicketQuery) ([]console.TicketRow, string, error) {
	rows, next, err := listed(r.store.Read().Tickets(ctx, db.TicketQuery{
		Page: pageOf(q.Query), States: q.States, Severities: q.Severities, Assignee: q.Assignee, Device: q.Device, WithLog: q.WithLog,
	}))
	out := make([]console.TicketRow, len(rows))
	for i, row := range rows {
		out[i] = rowOf(row)
	}
	return out, next, err
}

func (r reading) Ticket(ctx context.Context, scope access.Scope, id ticket.ID) (console.TicketRow, bool, error) {
	row, ok, err := r.store.Read().FindTicket(ctx, scope, id)
	return rowOf(row), ok, err
}

func rowOf(r desk.Row) console.TicketRow {
	return console.TicketRow{
		Ticket: r.Ticket, ReceivedMS: r.ReceivedMS,
		Due: console.Due{AcceptByMS: r.Due.AcceptBy, ArriveByMS: r.Due.ArriveBy, ResolveByMS: r.Due.ResolveBy, FeedbackByMS: r.Due.FeedbackBy},
	}
}

func (r reading) Deliveries(ctx context.Context, q console.Query, id ticket.ID) ([]routing.Delivery, string, error) {
	return listed(r.store.Read().ListDeliveries(ctx, pageOf(q), id))
}

func (r reading) Changes(ctx context.Context, after int64, limit int) ([]console.Change, int64, error) {
	rows, oldest, err := r.store.Read().Changes(ctx, after, limit)
	out := make([]console.Change, len(rows))
	for i, c := range rows {
		out[i] = console.Change{ID: c.ID, Kind: c.Kind, Ref: c.Ref, Estate: c.Estate, Device: c.Device, DeviceKind: c.DeviceKind, AtMS: c.AtMS}
	}
	return out, oldest, err
}

func (r reading) Newest(ctx context.Context) (int64, error) { return r.store.Read().NewestChange(ctx) }

func (r reading) Changed() <-chan struct{} { return r.store.Changed() }

// planning lets the console read and change plans.
type planning struct{ store *db.Store }

var _ console.Planning = planning{}

func (p planning) Staff(ctx context.Context, q console.Query) ([]duty.Staff, string, error) {
	return listed(p.store.Read().Staff(ctx, pageOf(q)))
}

func (p planning) Rosters(ctx context.Context, q console.Query) ([]duty.Roster, string, error) {
	return listed(p.store.Read().Rosters(ctx, pageOf(q)))
}

func (p planning) Overrides(ctx context.Context, q console.Query) ([]duty.Override, string, error) {
	return listed(p.store.Read().Overrides(ctx, pageOf(q)))
}

func (p planning) Policies(ctx context.Context, q console.Query) ([]routing.Policy, string, error) {
	return listed(p.store.Read().ListPolicies(ctx, pageOf(q)))
}

func (p planning) Mutes(ctx context.Context, q console.Query) ([]routing.Mute, string, error) {
	return listed(p.store.Read().ListMutes(ctx, pageOf(q)))
}

func (p planning) DutyPlan(ctx context.Context, estate string) (duty.Plan, error) {
	return p.store.Read().DutyPlan(ctx, estate)
}
