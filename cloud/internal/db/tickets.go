package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/protocol/ticket"
)

// ticketRow holds what lists filter and order by; doc holds the whole
// desk.Row but the log.
type ticketRow struct {
	bun.BaseModel `bun:"table:tickets,alias:t"`

	Estate     string `bun:"estate,pk"`
	ID         string `bun:"id,pk"`
	Edge       string `bun:"edge"`
	Device     string `bun:"device"`
	DeviceKind string `bun:"device_kind"`
	Rule       string `bun:"rule"`
	Metric     string `bun:"metric"`
	Fault      string `bun:"fault"`
	Severity   string `bun:"severity"`
	State      string `bun:"state"`
	Condition  string `bun:"condition"`
	Assignee   string `bun:"assignee"`
	Unresolved bool   `bun:"unresolved"`
	RaisedMS   int64  `bun:"raised_ms"`
	ReceivedMS int64  `bun:"received_ms"`
	PageableMS int64  `bun:"pageable_ms"`
	UpdatedMS  int64  `bun:"updated_ms"`
	Round      int    `bun:"round"`
	AcceptBy   int64  `bun:"accept_by"`
	ArriveBy   int64  `bun:"arrive_by"`
	ResolveBy  int64  `bun:"resolve_by"`
	FeedbackBy int64  `bun:"feedback_by"`
	Doc        string `bun:"doc"`
}

func ticketOf(r desk.Row) (ticketRow, error) {
	r.Log = nil
	doc, err := pack(r)
	return ticketRow{
		Estate: r.Estate, ID: clean(string(r.ID)), Edge: clean(r.Edge), Device: clean(r.Device),
		DeviceKind: clean(r.DeviceKind), Rule: clean(r.Rule), Metric: clean(r.Metric), Fault: clean(string(r.Fault)),
		Severity: clean(string(r.Severity)), State: string(r.State), Condition: string(r.Condition), Assignee: clean(r.Assignee),
		Unresolved: r.State.Unresolved(), RaisedMS: r.RaisedMS, ReceivedMS: r.ReceivedMS, PageableMS: r.PageableMS,
		UpdatedMS: r.UpdatedMS, Round: r.Round, AcceptBy: r.Due.AcceptBy, ArriveBy: r.Due.ArriveBy,
		ResolveBy: r.Due.ResolveBy, FeedbackBy: r.Due.FeedbackBy, Doc: doc,
	}, err
}

func (r ticketRow) noun() (row desk.Row, err error) {
	if err := unpack(r.Doc, &row); err != nil {
		return row, fmt.Errorf("ticket %s: %w", r.ID, err)
	}
	return row, nil
}

var _ desk.Tx = (*Tx)(nil)

// LockTickets keeps all other writers off the estate's tickets until the
// transaction ends.
func (tx *Tx) LockTickets(ctx context.Context, estate string) error {
	return tx.lock(ctx, "tickets:"+estate)
}

// SaveTicket stores the Row and its aliases, and notes the event.
func (tx *Tx) SaveTicket(ctx context.Context, r desk.Row) error {
	tx.concerns(ticketConcern)
	row, err := ticketOf(r)
	if err != nil {
		return err
	}
	if err := tx.upsert(ctx, &row, "estate, id"); err != nil {
		return err
	}
	for _, a := range r.Aliases {
		_, err := tx.db.NewRaw("INSERT INTO ticket_aliases (estate, alias, ticket) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
			r.Estate, clean(string(a)), row.ID).Exec(ctx)
		if err != nil {
			return fmt.Errorf("save alias %s: %w", a, err)
		}
	}
	tx.Change(Change{Estate: r.Estate, Kind: TicketChange, Ref: row.ID, Device: row.Device, DeviceKind: row.DeviceKind})
	return nil
}

// TicketRow returns the Row, without its log, that id or an alias names.
func (v *View) TicketRow(ctx context.Context, estate string, id ticket.ID) (desk.Row, bool, error) {
	var r ticketRow
	ok, err := found(v.db.NewSelect().Model(&r).Where("t.estate = ?", clean(estate)).
		Where("t.id = COALESCE((SELECT a.ticket FROM ticket_aliases AS a WHERE a.estate = t.estate AND a.alias = ?), ?)",
			clean(string(id)), clean(string(id))).Scan(ctx))
	if !ok || err != nil {
		return desk.Row{}, false, err
	}
	row, err := r.noun()
	return row, err == nil, err
}

// TicketByKey returns the unresolved ticket of a condition, or else its newest.
func (v *View) TicketByKey(ctx context.Context, k ticket.Key) (desk.Row, bool, error) {
	var r ticketRow
	ok, err := found(v.db.NewSelect().Model(&r).
		Where("estate = ? AND device = ? AND rule = ? AND metric = ?", clean(k.Estate), clean(k.Device), clean(k.Rule), clean(k.Metric)).
		Order("unresolved DESC", "raised_ms DESC", "id DESC").Limit(1).Scan(ctx))
	if !ok || err != nil {
		return desk.Row{}, false, err
	}
	row, err := r.noun()
	return row, err == nil, err
}

// Ticket returns the folded ticket with its log.
func (v *View) Ticket(ctx context.Context, estate string, id ticket.ID) (ticket.Ticket, bool, error) {
	row, ok, err := v.TicketWithLog(ctx, estate, id)
	return row.Ticket, ok, err
}

// TicketWithLog returns the Row, with its ordered log, that id or an alias
// names.
func (v *View) TicketWithLog(ctx context.Context, estate string, id ticket.ID) (desk.Row, bool, error) {
	row, ok, err := v.TicketRow(ctx, estate, id)
	if !ok || err != nil {
		return row, false, err
	}
	log, err := v.Transitions(ctx, estate, row.ID)
	row.Log = ticket.Sort(log)
	return row, err == nil, err
}

// FindTicket returns the Row, with its log, of a ticket whose estate is not
// known, if the scope holds it.
func (v *View) FindTicket(ctx context.Context, scope access.Scope, id ticket.ID) (desk.Row, bool, error) {
	var estates []string
	err := v.db.NewRaw("SELECT estate FROM tickets WHERE id = ? UNION SELECT estate FROM ticket_aliases WHERE alias = ? ORDER BY 1",
		clean(string(id)), clean(string(id))).Scan(ctx, &estates)
	if err != nil {
		return desk.Row{}, false, fmt.Errorf("find ticket: %w", err)
	}
	for _, estate := range estates {
		if !scope.Estate(estate) {
			continue
		}
		row, ok, err := v.TicketWithLog(ctx, estate, id)
		if err != nil {
			return desk.Row{}, false, err
		}
		if ok && scope.Sees(row.Estate, row.Device, row.DeviceKind) {
			return row, true, nil
		}
	}
	return desk.Row{}, false, nil
}

// TicketQuery selects tickets; empty parts select all.
type TicketQuery struct {
	Page
	States     []ticket.State
	Severities []ticket.Severity
	Assignee   string
	Device     string
	// WithLog asks for each ticket's Transitions too.
	WithLog bool
}

// Tickets lists tickets, newest first.
func (v *View) Tickets(ctx context.Context, t TicketQuery) ([]desk.Row, string, error) {
	var rows []ticketRow
	q := t.looksAfter(t.within(v.db.NewSelect().Model(&rows)), "device", "device_kind")
	if len(t.States) > 0 {
		q = q.Where("state IN (?)", bun.List(t.States))
	}
	if len(t.Severities) > 0 {
		q = q.Where("severity IN (?)", bun.List(t.Severities))
	}
	if t.Assignee != "" {
		q = q.Where("assignee = ?", clean(t.Assignee))
	}
	if t.Device != "" {
		q = q.Where("device = ?", clean(t.Device))
	}
	q, err := t.newest(q, "raised_ms")
	if err != nil {
		return nil, "", err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, "", fmt.Errorf("list tickets: %w", err)
	}
	rows, next, err := cut(t.Page, rows, func(r ticketRow) cursor[int64] { return cursor[int64]{r.RaisedMS, r.ID} })
	if err != nil {
		return nil, "", err
	}
	out, err := nouns(rows, ticketRow.noun)
	if err == nil && t.WithLog {
		err = v.addLogs(ctx, out)
	}
	return out, next, err
}

// addLogs reads the logs of many tickets in one query.
func (v *View) addLogs(ctx context.Context, rows []desk.Row) error {
	if len(rows) == 0 {
		return nil
	}
	type name struct {
		estate string
		id     ticket.ID
	}
	at := map[name]int{}
	var estates, ids []string
	for i, r := range rows {
		at[name{r.Estate, r.ID}] = i
		estates, ids = append(estates, r.Estate), append(ids, string(r.ID))
	}
	var found []transitionRow
	err := v.db.NewSelect().Model(&found).Where("estate IN (?)", bun.List(estates)).Where("ticket IN (?)", bun.List(ids)).Scan(ctx)
	if err != nil {
		return fmt.Errorf("read logs: %w", err)
	}
	for _, f := range found {
		x, err := f.noun()
		if err != nil {
			return err
		}
		if i, ok := at[name{f.Estate, ticket.ID(f.Ticket)}]; ok {
			rows[i].Log = append(rows[i].Log, x)
		}
	}
	for i := range rows {
		rows[i].Log = ticket.Sort(rows[i].Log)
	}
	return nil
}

// TicketCount is how many tickets of one state and severity there are.
type TicketCount struct {
	State    ticket.State
	Severity ticket.Severity
	N        int64
}

// CountTickets counts all unresolved tickets by state and severity.
func (v *View) CountTickets(ctx context.Context) ([]TicketCount, error) {
	var rows []struct {
		State    string `bun:"state"`
		Severity string `bun:"severity"`
		N        int64  `bun:"n"`
	}
	err := v.db.NewRaw("SELECT state, severity, COUNT(*) AS n FROM tickets WHERE unresolved GROUP BY state, severity ORDER BY state, severity").
		Scan(ctx, &rows)
	if err != nil {
		return nil, fmt.Errorf("count tickets: %w", err)
	}
	out := make([]TicketCount, 0, len(rows))
	for _, r := range rows {
		out = append(out, TicketCount{ticket.State(r.State), ticket.Severity(r.Severity), r.N})
	}
	return out, nil
}
