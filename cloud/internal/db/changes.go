package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// Change is one event for the console. IDs rise; whoever has seen one has been
// offered all before it.
type Change struct {
	ID int64
	// Kind is ticket, delivery, device or edge; Ref is the thing's id.
	Kind, Ref string
	Estate    string
	// Device and DeviceKind are what a contractor's scope is judged by.
	Device, DeviceKind string
	AtMS               int64
}

// The kinds of Change.
const (
	TicketChange   = "ticket"
	DeliveryChange = "delivery"
	DeviceChange   = "device"
	EdgeChange     = "edge"
)

type changeRow struct {
	bun.BaseModel `bun:"table:changes"`

	ID         int64  `bun:"id,pk,autoincrement"`
	Estate     string `bun:"estate"`
	Kind       string `bun:"kind"`
	Ref        string `bun:"subject"`
	Device     string `bun:"device"`
	DeviceKind string `bun:"device_kind"`
	AtMS       int64  `bun:"at_ms"`
}

// Change notes an event; it becomes visible with the commit.
func (tx *Tx) Change(c Change) {
	tx.changes = append(tx.changes, changeRow{
		Estate: c.Estate, Kind: c.Kind, Ref: clean(c.Ref), Device: clean(c.Device), DeviceKind: clean(c.DeviceKind), AtMS: tx.nowMS,
	})
}

// saveChanges runs last in a transaction: on PostgreSQL ids must not become
// visible out of order, so they are issued under a lock that the commit ends.
func (tx *Tx) saveChanges(ctx context.Context) error {
	if len(tx.changes) == 0 {
		return nil
	}
	if err := tx.lock(ctx, "changes"); err != nil {
		return err
	}
	if _, err := tx.db.NewInsert().Model(&tx.changes).Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("save changes: %w", err)
	}
	return nil
}

// Changes returns up to limit changes after the id, oldest first, and the
// oldest id that is still kept (0 if none is).
func (v *View) Changes(ctx context.Context, after int64, limit int) ([]Change, int64, error) {
	var rows []changeRow
	if err := v.db.NewSelect().Model(&rows).Where("id > ?", after).Order("id").Limit(int64(limit)).Scan(ctx); err != nil {
		return nil, 0, fmt.Errorf("list changes: %w", err)
	}
	out := make([]Change, 0, len(rows))
	for _, r := range rows {
		out = append(out, Change{
			ID: r.ID, Kind: r.Kind, Ref: r.Ref, Estate: r.Estate, Device: r.Device, DeviceKind: r.DeviceKind, AtMS: r.AtMS,
		})
	}
	oldest, err := v.changeID(ctx, "MIN")
	return out, oldest, err
}

// NewestChange returns the id of the newest change, 0 if there is none.
func (v *View) NewestChange(ctx context.Context) (int64, error) { return v.changeID(ctx, "MAX") }

// changeID returns the MIN or the MAX of the ids.
func (v *View) changeID(ctx context.Context, which string) (int64, error) {
	var id int64
	if err := v.db.NewRaw("SELECT COALESCE("+which+"(id), 0) FROM changes").Scan(ctx, &id); err != nil {
		return 0, fmt.Errorf("read change id: %w", err)
	}
	return id, nil
}
