package db

import (
	"context"
	"fmt"

	"github.com/uptrace/bun"
)

// upsert inserts rows or overwrites those with the same primary key.
func (tx *Tx) upsert(ctx context.Context, rows any, key string) error {
	_, err := tx.db.NewInsert().Model(rows).On("CONFLICT (" + key + ") DO UPDATE").Returning("NULL").Exec(ctx)
	if err != nil {
		return fmt.Errorf("save: %w", err)
	}
	return nil
}

// nouns turns rows into what they stand for.
func nouns[R, N any](rows []R, noun func(R) (N, error)) ([]N, error) {
	out := make([]N, 0, len(rows))
	for _, r := range rows {
		n, err := noun(r)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// listByID fetches one page of q, ordered by (estate, id).
func listByID[R any](ctx context.Context, p Page, q *bun.SelectQuery, at func(R) cursor[string]) ([]R, string, error) {
	var rows []R
	q, err := p.byID(q.Model(&rows))
	if err != nil {
		return nil, "", err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, "", err
	}
	return cut(p, rows, at)
}
