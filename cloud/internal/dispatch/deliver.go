package dispatch

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/notify"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/ticket"
)

// interrupted stands in an attempt whose holder died or lost its lease before
// it could write the outcome: the provider may have the page.
const interrupted = "the collector stopped while sending"

// sending is a Delivery on its way.
type sending struct {
	delivery routing.Delivery
	ticket   ticket.Ticket
	channel  duty.Channel
	// reachable: the person still has that channel.
	reachable bool
}

// deliver sends one Delivery: the attempt is durable first, then the send,
// then the outcome. Whoever finds an attempt without outcome sends again under
// the same id.
func (d *Dispatch) deliver(ctx context.Context, w agenda.Work) error {
	s, due, err := d.begin(ctx, w)
	if err != nil || !due {
		return err
	}
	started := d.o.Clock.Now()
	out := d.send(ctx, s)
	if ctx.Err() != nil && out.State == routing.Unknown {
		// We gave up, not the provider: the next holder asks again.
		return ctx.Err()
	}
	// The answer is there; a stop that comes now must not lose it. A lost
	// lease still refuses it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), notify.Deadline)
	defer cancel()
	return d.record(ctx, w, s, out, started)
}

// begin marks the attempt. It reports false if there is nothing to send (any
// more).
func (d *Dispatch) begin(ctx context.Context, w agenda.Work) (s sending, due bool, err error) {
	err = d.o.Store.InTx(ctx, func(tx Tx) error {
		s, due = sending{}, false
		if err := tx.LockTickets(ctx, w.Estate); err != nil {
			return wrap("lock tickets", err)
		}
		x, ok, err := tx.Delivery(ctx, w.Estate, strings.TrimPrefix(w.Key, Deliver+":"))
		if err != nil {
			return wrap("read delivery", err)
		}
		if !ok || x.State != routing.Pending && x.State != routing.Sending {
			return wrap("finish sending", tx.FinishWork(ctx, w))
		}
		if err := tx.HoldWork(ctx, w); err != nil {
			return wrap("hold sending", err)
		}
		s, err = d.prepare(ctx, tx, x)
		if err != nil {
			return err
		}
		due = true
		chaos.At("dispatch.attempt.before")
		if chaos.Broken(chaos.PageBeforeCommit) {
			return nil
		}
		return wrap("save attempt", tx.SaveDelivery(ctx, s.delivery))
	})
	if due && err == nil {
		chaos.At("dispatch.attempt.after")
	}
	return s, due, err
}

func (d *Dispatch) prepare(ctx context.Context, tx Planning, x routing.Delivery) (sending, error) {
	t, _, err := tx.Ticket(ctx, x.Estate, x.Ticket)
	if err != nil {
		return sending{}, wrap("read ticket", err)
	}
	plan, err := tx.DutyPlan(ctx, x.Estate)
	if err != nil {
		return sending{}, wrap("read staff", err)
	}
	s := sending{ticket: t}
	if i := slices.IndexFunc(plan.Staff, func(p duty.Staff) bool { return p.ID == x.Staff }); i >= 0 {
		s.channel, s.reachable = routing.Channel(plan.Staff[i], x)
	}
	now := d.nowMS()
	x.Attempts = slices.Clone(x.Attempts)
	if n := len(x.Attempts); x.State == routing.Sending && n > 0 {
		x.Attempts[n-1].Outcome, x.Attempts[n-1].Detail = routing.Unknown, interrupted
	}
	x.Attempts = append(x.Attempts, routing.Attempt{AtMS: now, Outcome: routing.Sending})
	if x.SentMS == 0 {
		x.SentMS = now
	}
	x.State = routing.Sending
	s.delivery = x
	return s, nil
}

// send makes the attempt.
func (d *Dispatch) send(ctx context.Context, s sending) notify.Outcome {
	n := d.o.Notifiers[s.delivery.Channel]
	switch {
	case !s.reachable:
		return notify.Outcome{State: routing.Rejected, Detail: "the person has no such channel any more"}
	case n == nil:
		return notify.Outcome{State: routing.Rejected, Detail: "this collector has no such channel"}
	}
	ctx, cancel := context.WithTimeout(ctx, notify.Deadline)
	defer cancel()
	m := notify.Message{
		ID: s.delivery.ID, Estate: s.delivery.Estate, To: s.delivery.Staff, Channel: s.channel, Step: s.delivery.Step,
	}
	var err error
	if m.Ticket, err = d.o.Render(ctx, s.ticket); err != nil {
		return notify.Outcome{State: routing.Rejected, Detail: "render ticket: " + err.Error()}
	}
	if m.URL, err = d.o.AckURL(ctx, s.delivery); err != nil {
		// A page without its button is better than no page.
		d.log.Error("make acknowledge link", "delivery", s.delivery.ID, "err", err)
	}
	if chaos.Broken(chaos.PageBeforeCommit) {
		m.ID += " " + uuid.NewString()
	}
	chaos.At("dispatch.send.before")
	out := n.Send(ctx, m)
	chaos.At("dispatch.send.after")
	return out
}

// record writes the outcome and has the ticket planned anew at once.
func (d *Dispatch) record(ctx context.Context, w agenda.Work, s sending, out notify.Outcome, started time.Time) error {
	first := false
	now := d.o.Clock.Now()
	x := s.delivery.After(out.State, now.UnixMilli(), now.Sub(started), out.Detail)
	if out.State == notify.RateLimited {
		x.State, x.DueMS = routing.Pending, now.Add(out.RetryAfter).UnixMilli()
	}
	err := d.o.Store.InTx(ctx, func(tx Tx) error {
		if err := tx.LockTickets(ctx, w.Estate); err != nil {
			return wrap("lock tickets", err)
		}
		if err := tx.FinishWork(ctx, w); err != nil {
			return wrap("finish sending", err)
		}
		all, err := tx.Deliveries(ctx, x.Estate, x.Ticket)
		if err != nil {
			return wrap("read deliveries", err)
		}
		first = !slices.ContainsFunc(all, func(o routing.Delivery) bool { return o.AcceptedMS != 0 })
		if err := tx.SaveDelivery(ctx, x); err != nil {
			return wrap("save outcome", err)
		}
		if x.State == routing.Pending {
			if err := tx.PutItem(ctx, deliverItem(s.ticket, x)); err != nil {
				return wrap("ask for sending later", err)
			}
		}
		chaos.At("dispatch.outcome.before")
		return wrap("ask for planning", tx.PutItem(ctx, RouteItem(s.ticket, now.UnixMilli())))
	})
	if err != nil {
		return err
	}
	chaos.At("dispatch.outcome.after")
	d.tell(s, x, out, first)
	return nil
}

func (d *Dispatch) tell(s sending, x routing.Delivery, out notify.Outcome, first bool) {
	d.o.Meter.Delivered(x.Channel, out.State)
	if first && out.State == routing.Accepted {
		d.o.Meter.Paged(time.Duration(max(x.AcceptedMS-s.ticket.RaisedMS, 0)) * time.Millisecond)
	}
	d.log.Info("page", "ticket", x.Ticket, "delivery", x.ID, "staff", x.Staff, "channel", x.Channel,
		"step", x.Step, "outcome", out.State, "detail", out.Detail)
}
