package dispatch

import (
	"context"
	"fmt"
	"strings"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/ticket"
)

// route plans one ticket. Everything it decides is written in the transaction
// that settles its Item: a crash repeats the whole of it or nothing.
func (d *Dispatch) route(ctx context.Context, w agenda.Work) error {
	id := ticket.ID(strings.TrimPrefix(w.Key, Route+":"))
	err := d.o.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.LockTickets(ctx, w.Estate); err != nil {
			return fmt.Errorf("lock tickets: %w", err)
		}
		if err := tx.FinishWork(ctx, w); err != nil {
			return fmt.Errorf("finish routing: %w", err)
		}
		in, ok, err := d.load(ctx, tx, w.Estate, id)
		if err != nil || !ok {
			return err
		}
		decision := routing.Plan(in)
		for _, r := range decision.Reasons {
			d.log.Debug("routing", "ticket", id, "reason", r.String())
		}
		chaos.At("dispatch.plan.before")
		return write(ctx, tx, in.Ticket, decision)
	})
	if err == nil {
		chaos.At("dispatch.plan.after")
	}
	return err
}

// load reads what the decision depends on; false: there is no such ticket.
func (d *Dispatch) load(ctx context.Context, tx Planning, estate string, id ticket.ID) (in routing.Input, ok bool, err error) {
	if in.Ticket, ok, err = tx.Ticket(ctx, estate, id); err != nil || !ok {
		return in, false, wrap("read ticket", err)
	}
	id = in.Ticket.ID // asked for by an alias, planned under its name
	if in.Policies, err = tx.Policies(ctx, estate); err != nil {
		return in, false, wrap("read policies", err)
	}
	if in.Mutes, err = tx.Mutes(ctx, estate); err != nil {
		return in, false, wrap("read mutes", err)
	}
	if in.Plan, err = tx.DutyPlan(ctx, estate); err != nil {
		return in, false, wrap("read duty plan", err)
	}
	if in.Deliveries, err = tx.Deliveries(ctx, estate, id); err != nil {
		return in, false, wrap("read deliveries", err)
	}
	if in.Progress, err = tx.Progress(ctx, estate, id); err != nil {
		return in, false, wrap("read progress", err)
	}
	in.AcceptWithin = d.o.AcceptWithin(in.Ticket)
	in.NowMS = d.nowMS()
	return in, true, nil
}

// write makes a decision durable.
func write(ctx context.Context, tx Tx, t ticket.Ticket, decision routing.Decision) error {
	for _, x := range decision.Cancel {
		if err := tx.SaveDelivery(ctx, x); err != nil {
			return wrap("cancel delivery", err)
		}
		if err := tx.CancelItem(ctx, deliverKey(x.ID)); err != nil {
			return wrap("cancel sending", err)
		}
	}
	for _, x := range decision.Due {
		if err := tx.SaveDelivery(ctx, x); err != nil {
			return wrap("save delivery", err)
		}
		if err := tx.PutItem(ctx, deliverItem(t, x)); err != nil {
			return wrap("ask for sending", err)
		}
	}
	if err := tx.SaveProgress(ctx, t.Estate, t.ID, decision.Progress); err != nil {
		return wrap("save progress", err)
	}
	if decision.NextMS == 0 {
		return nil
	}
	return wrap("ask for the next look", tx.PutItem(ctx, RouteItem(t, decision.NextMS)))
}

func deliverKey(id string) string { return Deliver + ":" + id }

func deliverItem(t ticket.Ticket, x routing.Delivery) agenda.Item {
	return agenda.Item{
		Estate: t.Estate, Kind: Deliver, Key: deliverKey(x.ID), RunAtMS: x.DueMS, Urgent: t.Fault.LifeSafety(),
	}
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
