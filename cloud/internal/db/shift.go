package db

import (
	"context"
	"fmt"

	"github.com/linshao/linshao/cloud/internal/routing"
)

// ShiftTimers moves everything that waits for an instant by ms, because the
// clock is about to be set by as much: the agenda, and how far and when the
// unresolved tickets have been paged, and when edges were heard. What people are shown of tickets stays as
// it was written.
func (tx *Tx) ShiftTimers(ctx context.Context, ms int64) error {
	for _, q := range []string{
		"UPDATE agenda SET run_at_ms = CASE WHEN run_at_ms + ? > 0 THEN run_at_ms + ? ELSE 1 END",
		"UPDATE agenda SET lease_until_ms = CASE WHEN lease_until_ms + ? > 0 THEN lease_until_ms + ? ELSE 1 END WHERE lease <> ''",
	} {
		if _, err := tx.db.NewRaw(q, ms, ms).Exec(ctx); err != nil {
			return fmt.Errorf("shift agenda: %w", err)
		}
	}
	if _, err := tx.db.NewRaw("UPDATE edges SET last_seen_ms = last_seen_ms + ? WHERE last_seen_ms > 0", ms).Exec(ctx); err != nil {
		return fmt.Errorf("shift when edges were heard: %w", err)
	}
	if err := tx.shiftDeliveries(ctx, ms); err != nil {
		return err
	}
	tx.dueMS = 1 // whoever sleeps looks at the clock again
	return tx.shiftProgress(ctx, ms)
}

const ofUnresolved = "EXISTS (SELECT 1 FROM tickets AS u WHERE u.estate = ?TableAlias.estate AND u.id = ?TableAlias.ticket AND u.unresolved)"

func (tx *Tx) shiftDeliveries(ctx context.Context, ms int64) error {
	var rows []deliveryRow
	if err := tx.db.NewSelect().Model(&rows).Where(ofUnresolved).Scan(ctx); err != nil {
		return fmt.Errorf("shift deliveries: %w", err)
	}
	for _, r := range rows {
		d, err := r.noun()
		if err != nil {
			return err
		}
		if r, err = deliveryOf(shifted(d, ms)); err != nil {
			return err
		}
		if err := tx.upsert(ctx, &r, "estate, id"); err != nil {
			return fmt.Errorf("shift delivery %s: %w", d.ID, err)
		}
	}
	return nil
}

func shifted(d routing.Delivery, ms int64) routing.Delivery {
	for _, at := range []*int64{&d.DueMS, &d.SentMS, &d.AcceptedMS} {
		if *at != 0 {
			*at = max(*at+ms, 1)
		}
	}
	for i := range d.Attempts {
		d.Attempts[i].AtMS = max(d.Attempts[i].AtMS+ms, 1)
	}
	return d
}

func (tx *Tx) shiftProgress(ctx context.Context, ms int64) error {
	var rows []progressRow
	if err := tx.db.NewSelect().Model(&rows).Where(ofUnresolved).Scan(ctx); err != nil {
		return fmt.Errorf("shift progress: %w", err)
	}
	for _, r := range rows {
		var p routing.Progress
		if err := unpack(r.Doc, &p); err != nil {
			return err
		}
		if p.StartMS != 0 {
			p.StartMS = max(p.StartMS+ms, 1)
		}
		for i := range p.Tracks {
			p.Tracks[i].AnchorMS += ms
		}
		doc, err := pack(p)
		if err != nil {
			return err
		}
		r.Doc = doc
		if err := tx.upsert(ctx, &r, "estate, ticket"); err != nil {
			return fmt.Errorf("shift progress of %s: %w", r.Ticket, err)
		}
	}
	return nil
}

// SeenAtMost takes back to nowMS what a clock that ran ahead said of when edges
// were heard: silence would not be noticed until then.
func (tx *Tx) SeenAtMost(ctx context.Context, nowMS int64) error {
	if _, err := tx.db.NewRaw("UPDATE edges SET last_seen_ms = ? WHERE last_seen_ms > ?", nowMS, nowMS).Exec(ctx); err != nil {
		return fmt.Errorf("take back when edges were heard: %w", err)
	}
	return nil
}
