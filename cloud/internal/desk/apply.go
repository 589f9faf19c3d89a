package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/ticket"
)

// Arrival is what an edge reports.
type Arrival struct {
	// Estate and Edge are whom the uplink proved, not what a message says.
	Estate, Edge string
	// Behind says that more of the edge's alarm log is on its way: a raise
	// may have its clear right behind it.
	Behind      bool
	Transitions []ticket.Transition
}

// Rejection is a Transition that can never be applied, and why.
type Rejection struct{ ID, Why string }

// Applied says what became of an Arrival.
type Applied struct {
	// Rows are the tickets as they are now, each once.
	Rows []Row
	// New counts Transitions that were not known before.
	New      int
	Rejected []Rejection
}

// Apply takes what an edge reports. It is idempotent by Transition.ID, takes
// Transitions in any order, and refuses none because of the ticket's state:
// they have happened. Malformed ones are skipped and named in the answer, so
// that one of them never holds up the edge's other alarms.
func (d *Desk) Apply(ctx context.Context, tx Tx, a Arrival) (Applied, error) {
	var done Applied
	if err := tx.LockTickets(ctx, a.Estate); err != nil {
		return done, fmt.Errorf("lock tickets of %s: %w", a.Estate, err)
	}
	fresh, err := d.fresh(ctx, tx, a, &done)
	if err != nil {
		return done, err
	}
	if len(fresh) > 0 {
		chaos.At("desk.apply.before")
	}
	for _, group := range byTicket(fresh) {
		row, ok, err := d.applyGroup(ctx, tx, a, group)
		if err != nil {
			return done, err
		}
		done.New += len(group)
		if ok {
			done.Rows = slices.DeleteFunc(done.Rows, func(r Row) bool { return r.ID == row.ID })
			done.Rows = append(done.Rows, row)
		}
		chaos.At("desk.apply.after")
	}
	return done, nil
}

// fresh returns the well-formed Transitions that are not kept yet.
func (d *Desk) fresh(ctx context.Context, tx Tx, a Arrival, done *Applied) ([]ticket.Transition, error) {
	ids := make([]string, 0, len(a.Transitions))
	for _, x := range a.Transitions {
		ids = append(ids, x.ID)
	}
	known, err := tx.KnownTransitions(ctx, a.Estate, ids)
	if err != nil {
		return nil, fmt.Errorf("look for known transitions: %w", err)
	}
	var fresh []ticket.Transition
	for _, x := range a.Transitions {
		if known[x.ID] {
			continue
		}
		if why := malformed(x); why != "" {
			d.log.Warn("transition rejected", "estate", a.Estate, "edge", a.Edge, "why", why)
			done.Rejected = append(done.Rejected, Rejection{ID: x.ID, Why: why})
			continue
		}
		known[x.ID] = true
		if x.Subject != nil {
			s := fit(*x.Subject)
			s.Estate, s.Edge = a.Estate, a.Edge // an edge speaks for nobody else
			x.Subject = &s
		}
		fresh = append(fresh, x)
	}
	return fresh, nil
}

const (
	// maxID bounds ids: they become keys.
	maxID = 64
	// maxMS is the end of the year 9999: no instant behind it can be shown,
	// and stamps behind it could not be counted on.
	maxMS = 253_402_300_800_000
)

func malformed(x ticket.Transition) string {
	for _, s := range []string{x.ID, string(x.Ticket), string(x.Kind), string(x.By.Kind), x.By.ID, x.To, string(x.AliasID), x.Stamp.Origin} {
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			return "an id holds control characters"
		}
	}
	switch {
	case x.ID == "" || len(x.ID) > maxID:
		return "id is missing or too long"
	case x.Ticket == "" || len(x.Ticket) > maxID:
		return "ticket is missing or too long"
	case x.Kind == "" || len(x.Kind) > maxID:
		return "kind is missing or too long"
	case x.Stamp.Origin == Origin:
		return "its stamp claims to be the cloud's"
	case outside(x.AtMS) || outside(x.Stamp.WallMS):
		return "its time is no time"
	case x.Kind == ticket.Raise && x.Subject == nil:
		return "a raise says what is wrong"
	}
	return ""
}

func outside(ms int64) bool { return ms < 0 || ms >= maxMS }

// fit takes out of a subject's words what no store and no page can hold. An
// alarm is not lost because a device has a strange name.
func fit(s ticket.Subject) ticket.Subject {
	for _, word := range []*string{
		&s.Device, &s.DeviceKind, &s.Location, &s.Rule, &s.Metric, (*string)(&s.Fault), (*string)(&s.Severity), &s.Title.Code,
	} {
		*word = strings.Map(func(r rune) rune {
			if unicode.IsControl(r) {
				return -1
			}
			return r
		}, strings.ToValidUTF8(*word, "\uFFFD"))
	}
	return s
}

// byTicket groups in the order of first appearance.
func byTicket(ts []ticket.Transition) [][]ticket.Transition {
	var groups [][]ticket.Transition
	at := map[ticket.ID]int{}
	for _, x := range ts {
		i, ok := at[x.Ticket]
		if !ok {
			i = len(groups)
			at[x.Ticket] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], x)
	}
	return groups
}

// applyGroup applies the Transitions that name one ticket.
func (d *Desk) applyGroup(ctx context.Context, tx Tx, a Arrival, group []ticket.Transition) (Row, bool, error) {
	said := group[0].Ticket
	home, aliased, err := d.home(ctx, tx, a.Estate, group)
	if err != nil {
		return Row{}, false, err
	}
	log, err := tx.Transitions(ctx, a.Estate, home)
	if err != nil {
		return Row{}, false, fmt.Errorf("read log of %s: %w", home, err)
	}
	if home == said {
		return d.keep(ctx, tx, a.Estate, home, log, group, a.Behind)
	}
	for i := range group {
		group[i] = intoOccurrence(group[i], home)
	}
	if aliased {
		orphans, err := d.adopt(ctx, tx, a.Estate, said, home)
		if err != nil {
			return Row{}, false, err
		}
		log = append(log, orphans...)
		group = append(group, aliasOf(home, said, slices.Concat(log, group), tx.NowMS()))
	}
	return d.keep(ctx, tx, a.Estate, home, log, group, a.Behind)
}

// home returns the ticket that a group belongs to: the one it names, the one
// that this is an alias of, or, for a raise of a condition that has another
// unresolved ticket, that one (aliased is true the first time).
func (d *Desk) home(ctx context.Context, tx Tx, estate string, group []ticket.Transition) (id ticket.ID, aliased bool, err error) {
	said := group[0].Ticket
	row, ok, err := tx.TicketRow(ctx, estate, said)
	if err != nil {
		return "", false, fmt.Errorf("read ticket %s: %w", said, err)
	}
	if ok {
		return row.ID, false, nil
	}
	i := slices.IndexFunc(group, func(x ticket.Transition) bool { return x.Kind == ticket.Raise })
	if i < 0 {
		return said, false, nil
	}
	key := group[i].Subject.Key()
	row, ok, err = tx.TicketByKey(ctx, key)
	if err != nil {
		return "", false, fmt.Errorf("look for a ticket of %s: %w", key, err)
	}
	if ok && row.State.Unresolved() {
		return row.ID, true, nil
	}
	return said, false, nil
}

// intoOccurrence retells x, which named another id, in the log of home.
func intoOccurrence(x ticket.Transition, home ticket.ID) ticket.Transition {
	x.Ticket = home
	if x.Kind == ticket.Raise {
		x.Kind, x.Subject = ticket.Occur, nil
	}
	return x
}

// adopt moves what came for an alias before its raise did.
func (d *Desk) adopt(ctx context.Context, tx Tx, estate string, from, to ticket.ID) ([]ticket.Transition, error) {
	orphans, err := tx.Transitions(ctx, estate, from)
	if err != nil {
		return nil, fmt.Errorf("read log of %s: %w", from, err)
	}
	if len(orphans) == 0 {
		return nil, nil
	}
	if err := tx.MoveTransitions(ctx, estate, from, to); err != nil {
		return nil, fmt.Errorf("move log of %s to %s: %w", from, to, err)
	}
	return orphans, nil
}

func aliasOf(home, said ticket.ID, log []ticket.Transition, nowMS int64) ticket.Transition {
	return ticket.Transition{
		ID: derivedID(string(home), string(said)), Ticket: home, Kind: ticket.Alias, AliasID: said,
		Stamp: stampAfter(log, nowMS), AtMS: nowMS, By: ticket.Actor{Kind: ticket.BySystem},
	}
}

// Raise opens a ticket that is born in the cloud. A condition that has an
// unresolved ticket gets an occurrence if it had cleared meanwhile, and is
// left alone if not. id may be empty.
func (d *Desk) Raise(ctx context.Context, tx Tx, id ticket.ID, s ticket.Subject, atMS int64, by ticket.Actor, note string) (Row, error) {
	if err := tx.LockTickets(ctx, s.Estate); err != nil {
		return Row{}, fmt.Errorf("lock tickets of %s: %w", s.Estate, err)
	}
	x := ticket.Transition{ID: newID(tx), Kind: ticket.Raise, AtMS: atMS, By: by, Note: note}
	row, ok, err := tx.TicketByKey(ctx, s.Key())
	if err != nil {
		return Row{}, fmt.Errorf("look for a ticket of %s: %w", s.Key(), err)
	}
	switch {
	case ok && row.State.Unresolved() && row.Condition == ticket.Active:
		return row, nil
	case ok && row.State.Unresolved():
		x.Kind, x.Ticket = ticket.Occur, row.ID
	default:
		x.Ticket, x.Subject = cmp.Or(id, ticket.ID(newID(tx))), &s
	}
	return d.make(ctx, tx, s.Estate, x)
}

// Clear ends a condition that was raised in the cloud; without an active
// ticket it does nothing.
func (d *Desk) Clear(ctx context.Context, tx Tx, k ticket.Key, atMS int64, by ticket.Actor) error {
	if err := tx.LockTickets(ctx, k.Estate); err != nil {
		return fmt.Errorf("lock tickets of %s: %w", k.Estate, err)
	}
	row, ok, err := tx.TicketByKey(ctx, k)
	if err != nil {
		return fmt.Errorf("look for a ticket of %s: %w", k, err)
	}
	if !ok || row.Condition != ticket.Active {
		return nil
	}
	_, err = d.make(ctx, tx, k.Estate, ticket.Transition{ID: newID(tx), Ticket: row.ID, Kind: ticket.Clear, AtMS: atMS, By: by})
	return err
}

// make stamps and keeps one Transition that is born here.
func (d *Desk) make(ctx context.Context, tx Tx, estate string, x ticket.Transition) (Row, error) {
	log, err := tx.Transitions(ctx, estate, x.Ticket)
	if err != nil {
		return Row{}, fmt.Errorf("read log of %s: %w", x.Ticket, err)
	}
	x.Stamp = stampAfter(log, tx.NowMS())
	row, _, err := d.keep(ctx, tx, estate, x.Ticket, log, []ticket.Transition{x}, false)
	return row, err
}
