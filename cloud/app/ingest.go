package app

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/cloud/internal/dispatch"
	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// ingestTx lets ingest write the ledger and hand Transitions to the desk, in
// one transaction.
type ingestTx struct {
	tx   *db.Tx
	desk *desk.Desk
}

var _ ingest.Tx = ingestTx{}

func inTx(store *db.Store, d *desk.Desk) ingest.InTx {
	return func(ctx context.Context, f func(ingest.Tx) error) error {
		return store.InTx(ctx, func(tx *db.Tx) error { return f(ingestTx{tx, d}) })
	}
}

// ingestInTx is inTx with a pause before and after.
func (c *cloud) ingestInTx() ingest.InTx {
	in := inTx(c.store, c.desk)
	return func(ctx context.Context, f func(ingest.Tx) error) error {
		c.pause(ctx, "ingest.commit.before")
		err := in(ctx, f)
		c.pause(ctx, "ingest.commit.after")
		return err
	}
}

func logID(id ingest.LogID) db.LogID {
	return db.LogID{Estate: id.Estate, Edge: id.Edge, Epoch: id.Epoch, Log: id.Log}
}

func (t ingestTx) Settled(ctx context.Context, id ingest.LogID) (envelope.RangeSet, error) {
	return t.tx.Settled(ctx, logID(id))
}

func (t ingestTx) MarkSettled(ctx context.Context, id ingest.LogID, rs []envelope.Range) error {
	return rejected(t.tx.MarkSettled(ctx, logID(id), rs))
}

// rejected tells ingest what can never be stored.
func rejected(err error) error {
	if errors.Is(err, db.ErrSequence) {
		return ingest.Reject("sequence_out_of_range")
	}
	return err
}

func (t ingestTx) ApplyTransitions(ctx context.Context, estate, edge string, behind bool, ts []ticket.Transition) error {
	_, err := t.desk.Apply(ctx, t.tx, desk.Arrival{Estate: estate, Edge: edge, Behind: behind, Transitions: told(ts)})
	return err
}

// told returns Transitions that JSON can hold: one not-a-number among the
// evidence must not keep a ticket, and those behind it, from being opened.
func told(ts []ticket.Transition) []ticket.Transition {
	out := slices.Clone(ts)
	for i := range out {
		out[i].Evidence = slices.Clone(out[i].Evidence)
		for j, e := range out[i].Evidence {
			if math.IsNaN(e.Value) || math.IsInf(e.Value, 0) {
				out[i].Evidence[j].Value, out[i].Evidence[j].Text = 0, strconv.FormatFloat(e.Value, 'g', -1, 64)
			}
		}
	}
	return out
}

func (t ingestTx) SaveEvents(ctx context.Context, estate, edge string, _ int64, es []telemetry.Event) error {
	return t.tx.SaveEvents(ctx, estate, edge, es)
}

func (t ingestTx) SaveGaps(ctx context.Context, id ingest.LogID, gaps []envelope.Gap) error {
	return rejected(t.tx.SaveGaps(ctx, logID(id), gaps))
}

func (t ingestTx) ClockMoves(ctx context.Context, id ingest.BootID) ([]ingest.ClockMove, error) {
	list, err := t.tx.ClockMoves(ctx, id.Estate, id.Edge, id.Boot)
	out := make([]ingest.ClockMove, len(list))
	for i, m := range list {
		out[i] = ingest.ClockMove(m)
	}
	return out, err
}

func (t ingestTx) SaveClockMove(ctx context.Context, id ingest.BootID, n int, m ingest.ClockMove) error {
	return t.tx.SaveClockMove(ctx, id.Estate, id.Edge, id.Boot, n, db.ClockMove(m))
}

func (t ingestTx) AddClockDays(ctx context.Context, days []ingest.ClockDay) error {
	rows := make([]db.ClockDay, len(days))
	for i, d := range days {
		rows[i] = db.ClockDay(d)
	}
	return t.tx.AddClockDays(ctx, rows)
}

func (t ingestTx) SaveHello(ctx context.Context, h envelope.Hello, _ int64) error {
	clone, err := t.tx.SaveHello(ctx, h)
	if err == nil && clone {
		err = ingest.ErrClone
	}
	return err
}

// paging lets dispatch work in transactions of the database.
type paging struct{ store *db.Store }

var _ dispatch.Store = paging{}

func (p paging) InTx(ctx context.Context, f func(dispatch.Tx) error) error {
	return p.store.InTx(ctx, func(tx *db.Tx) error { return f(tx) })
}
