package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

type deliveryRow struct {
	bun.BaseModel `bun:"table:deliveries"`

	Estate       string `bun:"estate,pk"`
	ID           string `bun:"id,pk"`
	Ticket       string `bun:"ticket"`
	Step         int    `bun:"step"`
	Track        string `bun:"track"`
	Round        int    `bun:"round"`
	Staff        string `bun:"staff"`
	Channel      string `bun:"channel"`
	ChannelIndex int    `bun:"channel_index"`
	State        string `bun:"state"`
	Reason       string `bun:"reason"`
	DueMS        int64  `bun:"due_ms"`
	SentMS       int64  `bun:"sent_ms"`
	AcceptedMS   int64  `bun:"accepted_ms"`
	Attempts     string `bun:"attempts_doc"`
}

func deliveryOf(d routing.Delivery) (deliveryRow, error) {
	attempts, err := pack(d.Attempts)
	return deliveryRow{
		Estate: d.Estate, ID: clean(d.ID), Ticket: clean(string(d.Ticket)), Step: d.Step, Track: clean(d.Track), Round: d.Round,
		Staff: clean(d.Staff), Channel: clean(d.Channel), ChannelIndex: d.ChannelIndex, State: string(d.State), Reason: clean(d.Reason),
		DueMS: d.DueMS, SentMS: d.SentMS, AcceptedMS: d.AcceptedMS, Attempts: attempts,
	}, err
}

func (r deliveryRow) noun() (routing.Delivery, error) {
	d := routing.Delivery{
		ID: r.ID, Estate: r.Estate, Ticket: ticket.ID(r.Ticket), Step: r.Step, Track: r.Track, Round: r.Round, Staff: r.Staff,
		Channel: r.Channel, ChannelIndex: r.ChannelIndex, State: routing.DeliveryState(r.State), Reason: r.Reason,
		DueMS: r.DueMS, SentMS: r.SentMS, AcceptedMS: r.AcceptedMS,
	}
	return d, unpack(r.Attempts, &d.Attempts)
}

// SaveDelivery inserts or overwrites by id, and notes the event with the
// ticket's device, by which contractors are told.
func (tx *Tx) SaveDelivery(ctx context.Context, d routing.Delivery) error {
	tx.concerns(deliveryConcern)
	r, err := deliveryOf(d)
	if err != nil {
		return err
	}
	if err := tx.upsert(ctx, &r, "estate, id"); err != nil {
		return fmt.Errorf("delivery %s: %w", d.ID, err)
	}
	t, _, err := tx.TicketRow(ctx, d.Estate, d.Ticket)
	if err != nil {
		return err
	}
	tx.Change(Change{Estate: d.Estate, Kind: DeliveryChange, Ref: r.ID, Device: t.Device, DeviceKind: t.DeviceKind})
	return nil
}

// Delivery returns one delivery.
func (v *View) Delivery(ctx context.Context, estate, id string) (routing.Delivery, bool, error) {
	var r deliveryRow
	ok, err := found(v.db.NewSelect().Model(&r).Where("estate = ? AND id = ?", clean(estate), clean(id)).Scan(ctx))
	if !ok || err != nil {
		return routing.Delivery{}, false, err
	}
	d, err := r.noun()
	return d, err == nil, err
}

// Deliveries returns all of a ticket, of every round, in order of due time.
func (v *View) Deliveries(ctx context.Context, estate string, id ticket.ID) ([]routing.Delivery, error) {
	var rows []deliveryRow
	err := v.db.NewSelect().Model(&rows).Where("estate = ? AND ticket = ?", clean(estate), clean(string(id))).
		Order("due_ms", "id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read deliveries of %s: %w", id, err)
	}
	return nouns(rows, deliveryRow.noun)
}

// ListDeliveries lists deliveries, newest first; of one ticket if id is given.
func (v *View) ListDeliveries(ctx context.Context, p Page, id ticket.ID) ([]routing.Delivery, string, error) {
	var rows []deliveryRow
	q := p.within(v.db.NewSelect().Model(&rows))
	if p.Scope.Limited {
		q = q.Where("EXISTS (?)", p.looksAfter(v.db.NewSelect().TableExpr("tickets AS t").ColumnExpr("1").
			Where("t.estate = delivery_row.estate AND t.id = delivery_row.ticket"), "t.device", "t.device_kind"))
	}
	if id != "" {
		q = q.Where("ticket = ?", clean(string(id)))
	}
	q, err := p.newest(q, "due_ms")
	if err != nil {
		return nil, "", err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, "", fmt.Errorf("list deliveries: %w", err)
	}
	rows, next, err := cut(p, rows, func(r deliveryRow) cursor[int64] { return cursor[int64]{r.DueMS, r.ID} })
	if err != nil {
		return nil, "", err
	}
	out, err := nouns(rows, deliveryRow.noun)
	return out, next, err
}

type progressRow struct {
	bun.BaseModel `bun:"table:progress"`

	Estate string `bun:"estate,pk"`
	Ticket string `bun:"ticket,pk"`
	Doc    string `bun:"doc"`
}

// Progress returns how far the ladders of a ticket have been climbed, the zero
// Progress for one that was never planned.
func (v *View) Progress(ctx context.Context, estate string, id ticket.ID) (routing.Progress, error) {
	var r progressRow
	var p routing.Progress
	ok, err := found(v.db.NewSelect().Model(&r).Where("estate = ? AND ticket = ?", clean(estate), clean(string(id))).Scan(ctx))
	if !ok || err != nil {
		return p, err
	}
	return p, unpack(r.Doc, &p)
}

// SaveProgress inserts or overwrites.
func (tx *Tx) SaveProgress(ctx context.Context, estate string, id ticket.ID, p routing.Progress) error {
	doc, err := pack(p)
	if err != nil {
		return err
	}
	return tx.upsert(ctx, &progressRow{Estate: estate, Ticket: clean(string(id)), Doc: doc}, "estate, ticket")
}
