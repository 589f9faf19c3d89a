// Package dispatch is the rim of paging: two agenda Jobs that load, ask the
// pure package routing what is due, and act.
//
// "route" plans: it loads a ticket with its policies, mutes, duty plan and
// Deliveries, and writes the Deliveries that routing wants, their agenda Items
// and the next look, all in one transaction. "deliver" sends one Delivery: the
// attempt is durable before the send, the outcome after it; whatever failed is
// planned anew at once.
//
// What it guarantees: a Delivery is sent at least once, under one idempotency
// key for all its attempts; a holder that lost its lease writes nothing. What
// it does not: deciding who is paged (routing), sending (notify), keeping time
// (agenda).
package dispatch

import (
	"context"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

// The agenda kinds this package works on. The key of an Item is its kind, a
// colon and the id of the ticket or the Delivery; the payload is empty.
const (
	Route   = "route"
	Deliver = "deliver"
)

// RouteItem asks for a look at a ticket at atMS. Whoever changes a ticket puts
// it, in the transaction of the change.
func RouteItem(t ticket.Ticket, atMS int64) agenda.Item {
	return agenda.Item{
		Estate: t.Estate, Kind: Route, Key: Route + ":" + string(t.ID),
		RunAtMS: atMS, Urgent: t.Fault.LifeSafety(),
	}
}

// Store runs transactions.
type Store interface {
	// InTx runs fn in one transaction. It commits and is durable when fn
	// returns nil, and leaves no trace otherwise; fn's error comes back
	// unchanged (errors.Is). It may run fn again after a conflict.
	InTx(ctx context.Context, fn func(Tx) error) error
}

// Tx is what the two Jobs read and write; it is not safe for concurrent use
// and ends with fn. Reads see the writes of the same Tx. What is returned
// belongs to the caller. Only errors of the store itself are errors: what does
// not exist is reported by the bool or by emptiness.
type Tx interface {
	Planning
	// LockTickets keeps all other writers off the estate's tickets and
	// Deliveries until the transaction ends. It comes first, so that planning,
	// sending and what people do happen one after the other.
	LockTickets(ctx context.Context, estate string) error
	// FinishWork removes the Item of w. It returns agenda.ErrLeaseLost if
	// w's lease is not the Item's any more: then nothing may be written.
	FinishWork(ctx context.Context, w agenda.Work) error
	// HoldWork checks the lease like FinishWork and leaves the Item there.
	HoldWork(ctx context.Context, w agenda.Work) error
	// PutItem puts or replaces (by key) an Item; the agenda is woken after
	// the commit.
	PutItem(ctx context.Context, it agenda.Item) error
	// CancelItem removes the Item with this key, if there is one.
	CancelItem(ctx context.Context, key string) error
}

// Planning is the part of a Tx that knows tickets and people.
type Planning interface {
	// Ticket returns the folded ticket with its Log.
	Ticket(ctx context.Context, estate string, id ticket.ID) (ticket.Ticket, bool, error)
	// DutyPlan returns everything duty depends on in one estate; of each
	// person the newest press of 上岗 or 下岗.
	DutyPlan(ctx context.Context, estate string) (duty.Plan, error)
	// Policies and Mutes return all of the estate, in any order.
	Policies(ctx context.Context, estate string) ([]routing.Policy, error)
	Mutes(ctx context.Context, estate string) ([]routing.Mute, error)
	// Deliveries returns all of the ticket, of every round.
	Deliveries(ctx context.Context, estate string, id ticket.ID) ([]routing.Delivery, error)
	Delivery(ctx context.Context, estate, id string) (routing.Delivery, bool, error)
	// SaveDelivery inserts or replaces by id and records the change for the
	// event stream.
	SaveDelivery(ctx context.Context, d routing.Delivery) error
	// Progress returns the zero Progress for a ticket never planned.
	Progress(ctx context.Context, estate string, id ticket.ID) (routing.Progress, error)
	SaveProgress(ctx context.Context, estate string, id ticket.ID, p routing.Progress) error
}
