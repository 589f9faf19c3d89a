package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/protocol/ticket"
)

// transitionRow is one entry of a ticket's log. doc is what the audit vouches
// for and never changes; ticket is the log it stands in now, which an alias
// may move. Kinds this version does not know are kept like all others.
type transitionRow struct {
	bun.BaseModel `bun:"table:transitions,alias:x"`

	Estate     string `bun:"estate,pk"`
	ID         string `bun:"id,pk"`
	Ticket     string `bun:"ticket"`
	Kind       string `bun:"kind"`
	Origin     string `bun:"origin"`
	AtMS       int64  `bun:"at_ms"`
	ReceivedMS int64  `bun:"received_ms"`
	Doc        string `bun:"doc"`
}

func (r transitionRow) noun() (x ticket.Transition, err error) {
	if err := unpack(r.Doc, &x); err != nil {
		return x, fmt.Errorf("transition %s: %w", r.ID, err)
	}
	x.Ticket = ticket.ID(r.Ticket)
	return x, nil
}

// KnownTransitions returns those of ids that are kept already.
func (v *View) KnownTransitions(ctx context.Context, estate string, ids []string) (map[string]bool, error) {
	known := map[string]bool{}
	if len(ids) == 0 {
		return known, nil
	}
	cleaned := make([]string, 0, len(ids))
	for _, id := range ids {
		cleaned = append(cleaned, clean(id))
	}
	var have []string
	err := v.db.NewRaw("SELECT id FROM transitions WHERE estate = ? AND id IN (?)", clean(estate), bun.List(cleaned)).Scan(ctx, &have)
	if err != nil {
		return nil, fmt.Errorf("look for transitions: %w", err)
	}
	for _, id := range have {
		known[id] = true
	}
	return known, nil
}

// Transitions returns a ticket's log, in no particular order.
func (v *View) Transitions(ctx context.Context, estate string, id ticket.ID) ([]ticket.Transition, error) {
	var rows []transitionRow
	err := v.db.NewSelect().Model(&rows).Where("estate = ? AND ticket = ?", clean(estate), clean(string(id))).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read transitions of %s: %w", id, err)
	}
	return nouns(rows, transitionRow.noun)
}

// AddTransitions keeps Transitions in the log of their Ticket.
func (tx *Tx) AddTransitions(ctx context.Context, estate string, ts []ticket.Transition) error {
	if len(ts) == 0 {
		return nil
	}
	rows := make([]transitionRow, 0, len(ts))
	for _, x := range ts {
		doc, err := desk.Doc(x)
		if err != nil {
			return err
		}
		rows = append(rows, transitionRow{
			Estate: estate, ID: clean(x.ID), Ticket: clean(string(x.Ticket)), Kind: clean(string(x.Kind)),
			Origin: clean(x.Stamp.Origin), AtMS: x.AtMS, ReceivedMS: tx.nowMS, Doc: string(doc),
		})
	}
	if _, err := tx.db.NewInsert().Model(&rows).Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("save transitions: %w", err)
	}
	return nil
}

// MoveTransitions puts what is in the log of one ticket into another's.
func (tx *Tx) MoveTransitions(ctx context.Context, estate string, from, to ticket.ID) error {
	_, err := tx.db.NewRaw("UPDATE transitions SET ticket = ? WHERE estate = ? AND ticket = ?",
		clean(string(to)), clean(estate), clean(string(from))).Exec(ctx)
	if err != nil {
		return fmt.Errorf("move transitions: %w", err)
	}
	return nil
}

// TransitionDocs returns the bytes that the audit of a chain vouches for, by
// Transition id.
func (v *View) TransitionDocs(ctx context.Context, estate string, refs []string) (map[string][]byte, error) {
	docs := map[string][]byte{}
	if len(refs) == 0 {
		return docs, nil
	}
	var rows []transitionRow
	if err := v.db.NewSelect().Model(&rows).Where("estate = ?", clean(estate)).Where("id IN (?)", bun.List(refs)).Scan(ctx); err != nil {
		return nil, fmt.Errorf("read transition documents: %w", err)
	}
	for _, r := range rows {
		docs[r.ID] = []byte(r.Doc)
	}
	return docs, nil
}

// Downlinks returns what an edge must hear after a hello: everything born in
// the cloud about its unresolved tickets, and about those that changed since
// sinceMS. Give it an hour before the edge was heard last: what was published
// before that went over a connection that worked afterwards.
func (v *View) Downlinks(ctx context.Context, estate, edge string, sinceMS int64) ([]ticket.Transition, error) {
	var rows []ticketRow
	err := v.db.NewSelect().Model(&rows).Where("estate = ? AND edge = ?", clean(estate), clean(edge)).
		Where("(unresolved OR updated_ms >= ?)", sinceMS).Order("raised_ms", "id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read tickets of %s/%s: %w", estate, edge, err)
	}
	tickets, err := nouns(rows, ticketRow.noun)
	if err != nil {
		return nil, err
	}
	if err := v.addLogs(ctx, tickets); err != nil {
		return nil, err
	}
	var down []ticket.Transition
	for _, t := range tickets {
		down = append(down, desk.Downlinks(t.Aliases, t.Log)...)
	}
	return down, nil
}
