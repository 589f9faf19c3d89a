package db

import (
	"context"
	"fmt"
)

// MaxGaps bounds the gaps kept of one edge. An edge has some in a year; one that
// reports more pushes out its own oldest, and nobody else's.
const MaxGaps = 10_000

func (tx *Tx) boundGaps(ctx context.Context, estate, edge string) error {
	_, err := tx.db.NewRaw(`DELETE FROM gaps WHERE estate = ?0 AND edge = ?1
		AND (heard_ms, epoch, log, first_seq, last_seq) <= (
			SELECT heard_ms, epoch, log, first_seq, last_seq FROM gaps WHERE estate = ?0 AND edge = ?1
			ORDER BY heard_ms DESC, epoch DESC, log DESC, first_seq DESC, last_seq DESC LIMIT 1 OFFSET ?2)`,
		estate, edge, MaxGaps).Exec(ctx)
	if err != nil {
		return fmt.Errorf("bound gaps: %w", err)
	}
	return nil
}

// GapQuery selects gaps; empty parts select all.
type GapQuery struct {
	Page
	Edge string
	// FromMS and ToMS bound, half-open, when what is gone was recorded or, if
	// nobody knows, when it was heard of. ToMS 0 is no bound.
	FromMS, ToMS int64
}

// gapPlace is where a gap stands in the list of them.
type gapPlace struct {
	HeardMS     int64
	Edge, Epoch string
	Log         string
	First, Last int64
}

// ListGaps lists what will never come, newest first; a contractor sees none.
func (v *View) ListGaps(ctx context.Context, q GapQuery) ([]Gap, string, error) {
	if q.Scope.Limited {
		return nil, "", nil
	}
	var rows []gapRow
	sel := q.within(v.db.NewSelect().Model(&rows)).Where("COALESCE(NULLIF(to_ms, 0), heard_ms) >= ?", q.FromMS)
	if q.ToMS != 0 {
		sel = sel.Where("COALESCE(NULLIF(from_ms, 0), heard_ms) < ?", q.ToMS)
	}
	if q.Edge != "" {
		sel = sel.Where("edge = ?", clean(q.Edge))
	}
	if q.Cursor != "" {
		at, err := parseCursor[gapPlace](q.Cursor)
		if err != nil {
			return nil, "", err
		}
		p := at.First
		sel = sel.Where("(heard_ms, estate, edge, epoch, log, first_seq, last_seq) < (?, ?, ?, ?, ?, ?, ?)",
			p.HeardMS, clean(at.Second), clean(p.Edge), clean(p.Epoch), clean(p.Log), p.First, p.Last)
	}
	err := sel.OrderExpr("heard_ms DESC, estate DESC, edge DESC, epoch DESC, log DESC, first_seq DESC, last_seq DESC").
		Limit(int64(q.limit() + 1)).Scan(ctx)
	if err != nil {
		return nil, "", fmt.Errorf("list gaps: %w", err)
	}
	rows, next, err := cut(q.Page, rows, func(r gapRow) cursor[gapPlace] {
		return cursor[gapPlace]{gapPlace{r.HeardMS, r.Edge, r.Epoch, r.Log, r.First, r.Last}, r.Estate}
	})
	if err != nil {
		return nil, "", err
	}
	out, err := nouns(rows, gapRow.noun)
	return out, next, err
}

// GapSum is what one edge has lost.
type GapSum struct {
	Estate  string `bun:"estate"`
	Edge    string `bun:"edge"`
	Count   int    `bun:"n"`
	Records int64  `bun:"records"`
	LastMS  int64  `bun:"last_ms"`
}

// GapSums sums up the gaps of each edge of the page's scope that has any.
func (v *View) GapSums(ctx context.Context, p Page) ([]GapSum, error) {
	var sums []GapSum
	err := p.within(v.db.NewSelect().Model((*gapRow)(nil)).
		ColumnExpr("estate, edge, COUNT(*) AS n, SUM(last_seq - first_seq + 1) AS records, MAX(heard_ms) AS last_ms")).
		Group("estate", "edge").Scan(ctx, &sums)
	if err != nil {
		return nil, fmt.Errorf("sum up gaps: %w", err)
	}
	return sums, nil
}
