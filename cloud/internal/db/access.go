package db

import (
	"context"
	"fmt"
	"slices"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/cloud/internal/access"
)

// Access is the store as access.Door works with it.
type Access struct{ store *Store }

var _ access.Store = Access{}

// Access returns what the door keeps.
func (s *Store) Access() Access { return Access{store: s} }

// Account implements access.Store.
func (a Access) Account(ctx context.Context, name string) (access.Account, bool, error) {
	return a.store.Read().Account(ctx, name)
}

// SaveSession implements access.Store.
func (a Access) SaveSession(ctx context.Context, s access.Session) error {
	return a.store.InTx(ctx, func(tx *Tx) error {
		r := sessionRow{Hash: s.Hash, Account: s.Account, CreatedMS: s.CreatedMS, SeenMS: s.SeenMS, ExpiresMS: s.ExpiresMS}
		return tx.upsert(ctx, &r, "hash")
	})
}

// Session implements access.Store.
func (a Access) Session(ctx context.Context, hash string) (access.Session, bool, error) {
	var r sessionRow
	ok, err := found(a.store.read.NewSelect().Model(&r).Where("hash = ?", hash).Scan(ctx))
	return access.Session{Hash: r.Hash, Account: r.Account, CreatedMS: r.CreatedMS, SeenMS: r.SeenMS, ExpiresMS: r.ExpiresMS}, ok, err
}

// TouchSession implements access.Store.
func (a Access) TouchSession(ctx context.Context, hash string, seenMS int64) error {
	return a.exec(ctx, "UPDATE sessions SET seen_ms = ? WHERE hash = ? AND seen_ms < ?", seenMS, hash, seenMS)
}

// DropSession implements access.Store.
func (a Access) DropSession(ctx context.Context, hash string) error {
	return a.exec(ctx, "DELETE FROM sessions WHERE hash = ?", hash)
}

func (a Access) exec(ctx context.Context, query string, args ...any) error {
	return a.store.InTx(ctx, func(tx *Tx) error {
		_, err := tx.db.NewRaw(query, args...).Exec(ctx)
		return err
	})
}

// Token implements access.Store.
func (a Access) Token(ctx context.Context, hash string) (access.APIToken, bool, error) {
	var r tokenRow
	ok, err := found(a.store.read.NewSelect().Model(&r).Where("hash = ?", hash).Scan(ctx))
	if !ok || err != nil {
		return access.APIToken{}, false, err
	}
	t, err := r.noun()
	return t, err == nil, err
}

// Credentials implements access.Store.
func (a Access) Credentials(ctx context.Context, estate, edge string) ([]access.Credential, error) {
	var rows []credentialRow
	err := a.store.read.NewSelect().Model(&rows).Where("estate = ? AND edge = ?", clean(estate), clean(edge)).
		Where("revoked_ms = 0").Order("id").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read edge credentials: %w", err)
	}
	return nouns(rows, func(r credentialRow) (access.Credential, error) {
		return access.Credential{ID: r.ID, Estate: r.Estate, Edge: r.Edge, Hash: r.Hash, CreatedMS: r.CreatedMS}, nil
	})
}

// Link implements access.Store.
func (a Access) Link(ctx context.Context, hash string) (access.Link, bool, error) {
	var r linkRow
	ok, err := found(a.store.read.NewSelect().Model(&r).Where("hash = ?", hash).Scan(ctx))
	return access.Link{Hash: r.Hash, Estate: r.Estate, Ticket: r.Ticket, Staff: r.Staff, Delivery: r.Delivery, ExpiresMS: r.ExpiresMS}, ok, err
}

// LooksAfter implements access.Store.
func (a Access) LooksAfter(ctx context.Context, estates []string, staff string) ([]string, bool, error) {
	var rows []orgRow
	q := a.store.read.NewSelect().Model(&rows).ModelTableExpr("orgs AS org_row").
		Join("JOIN staff AS s ON s.estate = org_row.estate AND s.org = org_row.id").
		Where("s.id = ? AND org_row.kind = ?", clean(staff), "contractor").Order("org_row.estate", "org_row.id")
	if len(estates) > 0 {
		q = q.Where("s.estate IN (?)", bun.List(estates))
	}
	if err := q.Scan(ctx); err != nil {
		return nil, false, fmt.Errorf("read contractor of %s: %w", staff, err)
	}
	var devices []string
	for _, r := range rows {
		o, err := r.noun()
		if err != nil {
			return nil, false, err
		}
		devices = append(devices, o.Devices...)
	}
	return slices.Compact(devices), len(rows) > 0, nil
}

// CountTry implements access.Store.
func (a Access) CountTry(ctx context.Context, keys []string, nowMS, windowMS int64) ([]int, error) {
	var counts []int
	// In one order everywhere, so that two sign-ins never wait for each other.
	sorted := slices.Sorted(slices.Values(keys))
	err := a.store.InTx(ctx, func(tx *Tx) error {
		n := map[string]int{}
		for _, k := range sorted {
			var c int
			err := tx.db.NewRaw(`INSERT INTO tries (key, n, first_ms) VALUES (?, 1, ?) ON CONFLICT (key) DO UPDATE SET
				n = CASE WHEN tries.first_ms <= ? THEN 1 ELSE tries.n + 1 END,
				first_ms = CASE WHEN tries.first_ms <= ? THEN ? ELSE tries.first_ms END RETURNING n`,
				clean(k), nowMS, nowMS-windowMS, nowMS-windowMS, nowMS).Scan(ctx, &c)
			if err != nil {
				return fmt.Errorf("count try: %w", err)
			}
			n[k] = c
		}
		counts = nil
		for _, k := range keys {
			counts = append(counts, n[k])
		}
		return nil
	})
	return counts, err
}

// ForgetTries implements access.Store.
func (a Access) ForgetTries(ctx context.Context, keys []string) error {
	return a.exec(ctx, "DELETE FROM tries WHERE key IN (?)", bun.List(keys))
}
