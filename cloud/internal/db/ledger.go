package db

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/uptrace/bun"

	"github.com/linshao/linshao/protocol/envelope"
)

// LogID names one life of one of an edge's logs.
type LogID struct {
	Estate, Edge, Epoch string
	Log                 envelope.Log
}

type ledgerRow struct {
	bun.BaseModel `bun:"table:ledger"`

	Estate string `bun:"estate,pk"`
	Edge   string `bun:"edge,pk"`
	Epoch  string `bun:"epoch,pk"`
	Log    string `bun:"log,pk"`
	First  int64  `bun:"first_seq,pk"`
	Last   int64  `bun:"last_seq"`
}

// ErrSequence means that a Sequence is beyond what can be kept.
var ErrSequence = errors.New("sequence out of range")

// Settled returns what the ledger holds of a log. Within a Tx it keeps other
// collectors from marking the same log until the end.
func (tx *Tx) Settled(ctx context.Context, id LogID) (envelope.RangeSet, error) {
	if err := tx.lock(ctx, "ledger:"+id.Estate+"/"+id.Edge+"/"+clean(id.Epoch)+"/"+clean(string(id.Log))); err != nil {
		return nil, err
	}
	return tx.View.Settled(ctx, id)
}

// Settled returns what the ledger holds of a log.
func (v *View) Settled(ctx context.Context, id LogID) (envelope.RangeSet, error) {
	var rows []ledgerRow
	err := v.ofLog(v.db.NewSelect().Model(&rows), id).Order("first_seq").Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("read ledger of %s/%s: %w", id.Estate, id.Edge, err)
	}
	var set envelope.RangeSet
	for _, r := range rows {
		set = set.Add(envelope.Range{First: envelope.Sequence(r.First), Last: envelope.Sequence(r.Last)})
	}
	return set, nil
}

func (v *View) ofLog(q *bun.SelectQuery, id LogID) *bun.SelectQuery {
	return q.Where("estate = ? AND edge = ? AND epoch = ? AND log = ?", id.Estate, id.Edge, clean(id.Epoch), clean(string(id.Log)))
}

// MarkSettled adds ranges to the ledger.
func (tx *Tx) MarkSettled(ctx context.Context, id LogID, add []envelope.Range) error {
	tx.concerns(ledgerConcern)
	before, err := tx.Settled(ctx, id)
	if err != nil {
		return err
	}
	after := before
	for _, r := range add {
		if r.First > r.Last || r.Last > math.MaxInt64 {
			return fmt.Errorf("mark %d-%d: %w", r.First, r.Last, ErrSequence)
		}
		after = after.Add(r)
	}
	return tx.rewriteLedger(ctx, id, before, after)
}

// rewriteLedger replaces only the ranges that differ: a log has few, but a
// long cut may leave many.
func (tx *Tx) rewriteLedger(ctx context.Context, id LogID, before, after envelope.RangeSet) error {
	keep := map[envelope.Range]bool{}
	for _, r := range after {
		keep[r] = true
	}
	var gone []int64
	for _, r := range before {
		if !keep[r] {
			gone = append(gone, int64(r.First))
		}
		delete(keep, r)
	}
	if len(gone) > 0 {
		_, err := tx.db.NewDelete().Model((*ledgerRow)(nil)).
			Where("estate = ? AND edge = ? AND epoch = ? AND log = ?", id.Estate, id.Edge, clean(id.Epoch), clean(string(id.Log))).
			Where("first_seq IN (?)", bun.List(gone)).Exec(ctx)
		if err != nil {
			return fmt.Errorf("merge ledger: %w", err)
		}
	}
	var rows []ledgerRow
	for r := range keep {
		rows = append(rows, ledgerRow{
			Estate: id.Estate, Edge: id.Edge, Epoch: clean(id.Epoch), Log: clean(string(id.Log)),
			First: int64(r.First), Last: int64(r.Last),
		})
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := tx.db.NewInsert().Model(&rows).Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("mark settled: %w", err)
	}
	return nil
}

type gapRow struct {
	bun.BaseModel `bun:"table:gaps"`

	Estate  string `bun:"estate,pk"`
	Edge    string `bun:"edge,pk"`
	Epoch   string `bun:"epoch,pk"`
	Log     string `bun:"log,pk"`
	First   int64  `bun:"first_seq,pk"`
	Last    int64  `bun:"last_seq,pk"`
	Reason  string `bun:"reason"`
	FromMS  int64  `bun:"from_ms"`
	ToMS    int64  `bun:"to_ms"`
	HeardMS int64  `bun:"heard_ms"`
}

// Gap is a range that will never come, of one log.
type Gap struct {
	LogID
	envelope.Gap
	HeardMS int64
}

// SaveGaps keeps ranges that will never come, once each, and of each edge the
// newest MaxGaps.
func (tx *Tx) SaveGaps(ctx context.Context, id LogID, gaps []envelope.Gap) error {
	if len(gaps) == 0 {
		return nil
	}
	rows := make([]gapRow, 0, len(gaps))
	for _, g := range gaps {
		if g.Last > math.MaxInt64 || g.First > g.Last {
			return fmt.Errorf("gap %d-%d: %w", g.First, g.Last, ErrSequence)
		}
		rows = append(rows, gapRow{
			Estate: id.Estate, Edge: id.Edge, Epoch: clean(id.Epoch), Log: clean(string(id.Log)),
			First: int64(g.First), Last: int64(g.Last), Reason: clean(g.Reason), FromMS: g.FromMS, ToMS: g.ToMS, HeardMS: tx.nowMS,
		})
	}
	if _, err := tx.db.NewInsert().Model(&rows).On("CONFLICT DO NOTHING").Returning("NULL").Exec(ctx); err != nil {
		return fmt.Errorf("save gaps: %w", err)
	}
	if err := tx.boundGaps(ctx, id.Estate, id.Edge); err != nil {
		return err
	}
	tx.Change(Change{Estate: id.Estate, Kind: EdgeChange, Ref: id.Edge})
	return nil
}

func (r gapRow) noun() (Gap, error) {
	return Gap{
		LogID: LogID{r.Estate, r.Edge, r.Epoch, envelope.Log(r.Log)},
		Gap: envelope.Gap{
			Range:  envelope.Range{First: envelope.Sequence(r.First), Last: envelope.Sequence(r.Last)},
			Reason: r.Reason, FromMS: r.FromMS, ToMS: r.ToMS,
		},
		HeardMS: r.HeardMS,
	}, nil
}

// Gaps lists an edge's gaps, newest first, at most limit of them.
func (v *View) Gaps(ctx context.Context, estate, edge string, limit int) ([]Gap, error) {
	var rows []gapRow
	err := v.db.NewSelect().Model(&rows).Where("estate = ? AND edge = ?", clean(estate), clean(edge)).
		Order("heard_ms DESC", "epoch", "log", "first_seq DESC").Limit(int64(limit)).Scan(ctx)
	if err != nil {
		return nil, fmt.Errorf("list gaps: %w", err)
	}
	return nouns(rows, gapRow.noun)
}
