package desk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/audit"
	"github.com/linshao/linshao/protocol/ticket"
)

// ErrNotFound means that the estate has no such ticket.
var ErrNotFound = errors.New("no such ticket")

// InvalidError says which field of a request can't be.
type InvalidError struct{ Field, Why string }

func (e *InvalidError) Error() string { return e.Field + ": " + e.Why }

// Tx is the caller's transaction. All reads and writes stay within estate.
type Tx interface {
	audit.Tx
	Log
	// NowMS is the transaction's one instant.
	NowMS() int64
	// LockTickets keeps all other writers off the estate's tickets until the
	// transaction ends.
	LockTickets(ctx context.Context, estate string) error
	// TicketRow returns the Row (its Log may be left out) that id or one of its aliases
	// names.
	TicketRow(ctx context.Context, estate string, id ticket.ID) (Row, bool, error)
	// TicketByKey returns the unresolved ticket of a condition, or else its
	// newest one.
	TicketByKey(ctx context.Context, k ticket.Key) (Row, bool, error)
	// SaveTicket stores the Row, its aliases, and the event for the console.
	SaveTicket(ctx context.Context, r Row) error
	// PutItem adds the Item or replaces the one with its key.
	PutItem(ctx context.Context, it agenda.Item) error
	// AfterCommit calls f once the transaction is durable, and not otherwise.
	AfterCommit(f func())
}

// Log keeps Transitions.
type Log interface {
	// KnownTransitions returns those of ids that are kept already.
	KnownTransitions(ctx context.Context, estate string, ids []string) (map[string]bool, error)
	// Transitions returns a ticket's log, in no particular order.
	Transitions(ctx context.Context, estate string, id ticket.ID) ([]ticket.Transition, error)
	// AddTransitions keeps Transitions, of any kind, in the log of their
	// Ticket, each as Doc(t).
	AddTransitions(ctx context.Context, estate string, ts []ticket.Transition) error
	// MoveTransitions puts what is in the log of one ticket into another's.
	MoveTransitions(ctx context.Context, estate string, from, to ticket.ID) error
}

// Options of a Desk.
type Options struct {
	Clocks Clocks
	// Hold is how long a late raise waits for its clear before it may be
	// paged (default 2 s). Life safety never waits.
	Hold time.Duration
	// Downlink is offered every Transition born in the cloud, after its
	// commit; it must not block. Nil sends nothing.
	Downlink func(estate, edge string, ts []ticket.Transition)
	// Route makes the agenda item that has routing look at a ticket; putting
	// it again moves the look. Required.
	Route func(t ticket.Ticket, atMS int64) agenda.Item
	Log   *slog.Logger
}

// Desk applies and makes Transitions. It holds no state: all of it is in the
// transaction.
type Desk struct {
	o   Options
	log *slog.Logger
}

// New returns a Desk.
func New(o Options) *Desk {
	if o.Hold <= 0 {
		o.Hold = 2 * time.Second
	}
	if o.Downlink == nil {
		o.Downlink = func(string, string, []ticket.Transition) {}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Desk{o: o, log: o.Log.With("component", "desk")}
}

// Origin is the stamp's origin of what is born in the cloud.
const Origin = "cloud"

// Doc is the form in which a Transition is kept and vouched for.
func Doc(t ticket.Transition) ([]byte, error) {
	b, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encode transition %s: %w", t.ID, err)
	}
	return b, nil
}

// stampAfter returns a cloud stamp that follows everything in log.
func stampAfter(log []ticket.Transition, nowMS int64) ticket.Stamp {
	s := ticket.Stamp{Origin: Origin}
	for _, x := range log {
		s = s.Observe(x.Stamp, nowMS, math.MaxInt64-nowMS)
		if x.Stamp.Origin == Origin {
			s.Number = max(s.Number, x.Stamp.Number)
		}
	}
	if s.Counter == math.MaxUint32 { // a hostile stamp must not wrap us round
		s.WallMS, s.Counter = s.WallMS+1, 0
	}
	return s.Next(nowMS)
}

// keep stores added (which the log does not hold yet), folds, and lets the
// rest of the system know. It reports false while the log holds no raise: the
// Transitions are kept for it.
func (d *Desk) keep(ctx context.Context, tx Tx, estate string, id ticket.ID, log, added []ticket.Transition, behind bool) (Row, bool, error) {
	if err := tx.AddTransitions(ctx, estate, added); err != nil {
		return Row{}, false, fmt.Errorf("keep transitions of %s: %w", id, err)
	}
	for _, x := range added {
		if err := vouch(ctx, tx, estate, x); err != nil {
			return Row{}, false, err
		}
	}
	t, ok := ticket.Fold(append(log, added...))
	if !ok {
		return Row{}, false, nil
	}
	t.ID = id // a log that swallowed another's raise keeps its own name
	before, existed, err := tx.TicketRow(ctx, estate, id)
	if err != nil {
		return Row{}, false, fmt.Errorf("read ticket %s: %w", id, err)
	}
	row := d.row(t, before, existed, tx.NowMS(), behind)
	if err := tx.SaveTicket(ctx, row); err != nil {
		return Row{}, false, fmt.Errorf("save ticket %s: %w", id, err)
	}
	if err := tx.PutItem(ctx, d.o.Route(row.Ticket, max(tx.NowMS(), row.PageableMS))); err != nil {
		return Row{}, false, fmt.Errorf("ask for routing of %s: %w", id, err)
	}
	d.offer(tx, row, added)
	return row, true, nil
}

// heldAfter is how old a raise must be to wait for what its edge still has to
// tell: one of a moment ago has nothing to wait for.
const heldAfter = 10 * time.Second

// row computes what only the cloud knows, from the fold and the Row before it.
func (d *Desk) row(t ticket.Ticket, before Row, existed bool, nowMS int64, behind bool) Row {
	round, beganMS := rounds(t.Log)
	r := Row{Ticket: t, Round: round, ReceivedMS: nowMS, PageableMS: nowMS, UpdatedMS: nowMS}
	if behind && !t.Fault.LifeSafety() && nowMS-beganMS > heldAfter.Milliseconds() {
		r.PageableMS += d.o.Hold.Milliseconds()
	}
	if existed {
		r.ReceivedMS = before.ReceivedMS
		if before.Round == round {
			r.PageableMS = before.PageableMS
		}
	}
	// A clock that runs ahead must not postpone what the resident is owed.
	r.Due = d.o.Clocks.Due(t.Severity, t.Fault, min(beganMS, r.PageableMS))
	return r
}

func vouch(ctx context.Context, tx Tx, estate string, x ticket.Transition) error {
	doc, err := Doc(x)
	if err != nil {
		return err
	}
	return audit.Append(ctx, tx, audit.Entry{
		Estate: estate, Chain: string(x.Ticket), AtMS: tx.NowMS(), Ref: x.ID, Kind: string(x.Kind),
		ByKind: string(x.By.Kind), By: x.By.ID, Digest: audit.Digest(doc),
	})
}

// offer hands what was born here to the ticket's edge, after the commit.
func (d *Desk) offer(tx Tx, r Row, added []ticket.Transition) {
	if r.Edge == "" {
		return
	}
	if down := Downlinks(r.Aliases, added); len(down) > 0 {
		tx.AfterCommit(func() { d.o.Downlink(r.Estate, r.Edge, down) })
	}
}
