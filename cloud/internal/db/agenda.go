package db

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/google/uuid"
	"github.com/uptrace/bun"

	"github.com/linshao/linshao/cloud/internal/agenda"
)

type agendaRow struct {
	bun.BaseModel `bun:"table:agenda"`

	ID           int64  `bun:"id,pk,autoincrement"`
	Estate       string `bun:"estate"`
	Kind         string `bun:"kind"`
	Key          string `bun:"key"`
	Rank         int    `bun:"rank"`
	RunAtMS      int64  `bun:"run_at_ms"`
	Attempt      int    `bun:"attempt"`
	Lease        string `bun:"lease"`
	LeaseUntilMS int64  `bun:"lease_until_ms"`
	Payload      []byte `bun:"payload"`
}

// The ranks, first to last.
const (
	urgent = iota
	ordinary
)

func agendaOf(it agenda.Item) agendaRow {
	r := agendaRow{
		Estate: it.Estate, Kind: it.Kind, Key: clean(it.Key), Rank: ordinary, RunAtMS: it.RunAtMS, Payload: it.Payload,
	}
	if it.Urgent {
		r.Rank = urgent
	}
	if r.Payload == nil {
		r.Payload = []byte{}
	}
	return r
}

func (r agendaRow) work() agenda.Work {
	return agenda.Work{
		Item: agenda.Item{
			Estate: r.Estate, Kind: r.Kind, Key: r.Key, RunAtMS: r.RunAtMS, Urgent: r.Rank == urgent, Payload: r.Payload,
		},
		Attempt: r.Attempt, Lease: r.Lease,
	}
}

// PutItem adds the Item or replaces the one with its key, fencing off whoever
// works on it. The agenda is woken after the commit.
func (tx *Tx) PutItem(ctx context.Context, it agenda.Item) error {
	return tx.putItem(ctx, it, "CONFLICT (estate, key) DO UPDATE")
}

// PutItemOnce adds the Item unless its key is there.
func (tx *Tx) PutItemOnce(ctx context.Context, it agenda.Item) error {
	return tx.putItem(ctx, it, "CONFLICT DO NOTHING")
}

func (tx *Tx) putItem(ctx context.Context, it agenda.Item, on string) error {
	r := agendaOf(it)
	if _, err := tx.db.NewInsert().Model(&r).On(on).Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("put agenda item %s: %w", it.Key, err)
	}
	if tx.dueMS == 0 || it.RunAtMS < tx.dueMS {
		tx.dueMS = max(it.RunAtMS, 1)
	}
	return nil
}

// CancelItem removes the Item with this key, if there is one.
func (tx *Tx) CancelItem(ctx context.Context, key string) error {
	if _, err := tx.db.NewRaw("DELETE FROM agenda WHERE key = ?", clean(key)).Exec(ctx); err != nil {
		return fmt.Errorf("cancel agenda item %s: %w", key, err)
	}
	return nil
}

// FinishWork removes the Item of w in the transaction of its effects.
func (tx *Tx) FinishWork(ctx context.Context, w agenda.Work) error {
	return tx.held(ctx, w, "DELETE FROM agenda WHERE estate = ? AND key = ? AND lease = ?")
}

// HoldWork checks the lease and leaves the Item there; nobody can take it over
// before the transaction ends.
func (tx *Tx) HoldWork(ctx context.Context, w agenda.Work) error {
	return tx.held(ctx, w, "UPDATE agenda SET attempt = attempt WHERE estate = ? AND key = ? AND lease = ?")
}

// held runs a statement whose last three arguments name the Item and lease.
func (tx *Tx) held(ctx context.Context, w agenda.Work, query string, args ...any) error {
	if w.Lease == "" {
		return agenda.ErrLeaseLost
	}
	tx.concerns(agendaConcern)
	res, err := tx.db.NewRaw(query, append(args, w.Estate, clean(w.Key), w.Lease)...).Exec(ctx)
	if err != nil {
		return fmt.Errorf("settle agenda item %s: %w", w.Key, err)
	}
	n, err := res.RowsAffected()
	if err != nil {
		return fmt.Errorf("settle agenda item %s: %w", w.Key, err)
	}
	if n == 0 {
		return agenda.ErrLeaseLost
	}
	return nil
}

// Agenda is the table as agenda.Runner works with it.
type Agenda struct{ store *Store }

var _ agenda.Store = Agenda{}

// Agenda returns the agenda's table.
func (s *Store) Agenda() Agenda { return Agenda{store: s} }

// Claim implements agenda.Store. Each rank is asked by itself, so that the
// index finds what is due without walking what is not.
func (a Agenda) Claim(ctx context.Context, c agenda.Claim) ([]agenda.Work, error) {
	var works []agenda.Work
	err := a.store.InTx(ctx, func(tx *Tx) error {
		works = nil
		for rank := urgent; rank <= ordinary && len(works) < c.Limit; rank++ {
			if rank == ordinary && c.UrgentOnly {
				break
			}
			rows, err := tx.claim(ctx, c, rank, c.Limit-len(works))
			if err != nil {
				return fmt.Errorf("claim agenda items: %w", err)
			}
			for _, r := range rows {
				tx.concerns(agendaConcern)
				works = append(works, r.work())
			}
		}
		return nil
	})
	return works, err
}

func (tx *Tx) claim(ctx context.Context, c agenda.Claim, rank, limit int) ([]agendaRow, error) {
	due, among := "SELECT id FROM agenda WHERE rank = ? AND run_at_ms <= ? AND lease_until_ms <= ? ORDER BY run_at_ms, id LIMIT ?", "IN (?)"
	if tx.engine == postgres {
		// The array is computed once; a plain IN may run the locking query
		// again for every row.
		due, among = due+" FOR UPDATE SKIP LOCKED", "= ANY(ARRAY(?))"
	}
	var rows []agendaRow
	err := tx.db.NewRaw("UPDATE agenda SET lease = ?, lease_until_ms = ?, attempt = attempt + 1 WHERE id "+among+" RETURNING *",
		uuid.NewString(), c.LeaseUntilMS, bun.SafeQuery(due, rank, c.NowMS, c.NowMS, limit)).Scan(ctx, &rows)
	slices.SortFunc(rows, func(a, b agendaRow) int {
		return cmp.Or(cmp.Compare(a.RunAtMS, b.RunAtMS), cmp.Compare(a.ID, b.ID))
	})
	return rows, err
}

// Release ends every lease, for a collector that starts and has the database to
// itself: whoever held one is dead, and what it was at need not wait.
func (a Agenda) Release(ctx context.Context) error {
	return a.store.InTx(ctx, func(tx *Tx) error {
		if _, err := tx.db.NewRaw("UPDATE agenda SET lease = '', lease_until_ms = 0 WHERE lease <> ''").Exec(ctx); err != nil {
			return fmt.Errorf("release agenda items: %w", err)
		}
		return nil
	})
}

// NextDue implements agenda.Store.
func (a Agenda) NextDue(ctx context.Context, urgentOnly bool) (int64, bool, error) {
	last := ordinary
	if urgentOnly {
		last = urgent
	}
	var next int64
	found := false
	for rank := urgent; rank <= last; rank++ {
		var at []int64
		err := a.store.read.NewRaw(`SELECT at FROM (
			SELECT * FROM (SELECT run_at_ms AS at FROM agenda WHERE rank = ? AND lease = '' ORDER BY run_at_ms LIMIT 1) AS waiting
			UNION ALL
			SELECT CASE WHEN lease_until_ms > run_at_ms THEN lease_until_ms ELSE run_at_ms END FROM agenda WHERE rank = ? AND lease <> ''
		) AS due ORDER BY at LIMIT 1`, rank, rank).Scan(ctx, &at)
		if err != nil {
			return 0, false, fmt.Errorf("look for the next agenda item: %w", err)
		}
		if len(at) > 0 && (!found || at[0] < next) {
			next, found = at[0], true
		}
	}
	return next, found, nil
}

// Renew implements agenda.Store.
func (a Agenda) Renew(ctx context.Context, w agenda.Work, leaseUntilMS int64) error {
	return a.store.InTx(ctx, func(tx *Tx) error {
		return tx.held(ctx, w, "UPDATE agenda SET lease_until_ms = ? WHERE estate = ? AND key = ? AND lease = ?", leaseUntilMS)
	})
}

// Finish implements agenda.Store.
func (a Agenda) Finish(ctx context.Context, w agenda.Work) error {
	return a.store.InTx(ctx, func(tx *Tx) error { return tx.FinishWork(ctx, w) })
}

// Retry implements agenda.Store.
func (a Agenda) Retry(ctx context.Context, w agenda.Work, runAtMS int64) error {
	return a.store.InTx(ctx, func(tx *Tx) error {
		err := tx.held(ctx, w, "UPDATE agenda SET run_at_ms = ?, lease = '', lease_until_ms = 0 WHERE estate = ? AND key = ? AND lease = ?", runAtMS)
		tx.dueMS = max(runAtMS, 1)
		return err
	})
}
