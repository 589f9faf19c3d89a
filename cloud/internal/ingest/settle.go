package ingest

import (
	"context"
	"errors"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"

	"github.com/linshao/linshao/cloud/internal/series"
)

// sift asks the ledger and answers at once what is settled already, or has
// nothing that could be marked. It returns the others; none if ctx ends.
func (l *lane) sift(ctx context.Context, group []*work) (fresh []*work) {
	if !l.until(ctx, "reading the ledger", func() error { return l.ledger.learn(ctx, l.o.InTx, group) }) {
		return nil
	}
	var done []*work
	for _, w := range group {
		w.repeated = w.reason == "" && l.ledger.holds(w) && !chaos.Broken(chaos.LedgerSkipped)
		if w.repeated || w.reason == reasonSequences {
			done = append(done, w)
		} else {
			fresh = append(fresh, w)
		}
	}
	l.answer(ctx, done)
	return fresh
}

// store makes the samples of works durable; false if ctx ended before.
func (l *lane) store(ctx context.Context, works []*work) bool {
	if !l.series {
		return true
	}
	var batches []series.Batch
	for _, w := range works {
		if len(w.Samples) > 0 {
			batches = append(batches, series.Batch{Estate: w.Estate, Edge: w.Edge, ReceivedMS: w.receivedMS, Samples: w.Samples})
		}
	}
	if len(batches) == 0 {
		return true
	}
	var tally series.Tally
	chaos.At("ingest.series.before")
	if !l.until(ctx, "appending to series", func() (err error) {
		tally, err = l.o.Series.Append(ctx, batches)
		return err
	}) {
		return false
	}
	chaos.At("ingest.series.after")
	l.metrics.tally(tally)
	if l.o.Latest != nil {
		l.o.Latest.Observe(batches)
	}
	return true
}

// settle commits works in one transaction, or, where that fails, each in its
// own, so that one that cannot be committed harms no other. It returns what
// may be answered and what is left.
func (l *lane) settle(ctx context.Context, works []*work) (done, left []*work, err error) {
	if err = l.inTx(ctx, works); err == nil {
		return works, nil, nil
	}
	if len(works) == 1 {
		if reason, ok := rejected(err); ok && works[0].reason == "" {
			if err := l.salvage(ctx, works[0], reason); err != nil {
				return nil, works, err
			}
			return l.settle(ctx, works)
		}
		return nil, works, err
	}
	for i, w := range works {
		one, rest, oneErr := l.settle(ctx, []*work{w})
		done, left, err = append(done, one...), append(left, rest...), errors.Join(err, oneErr)
		if len(done) == 0 && len(left) >= suspects || ctx.Err() != nil {
			// The database, not one of them; if not, others lead next time.
			return done, append(works[i+1:len(works):len(works)], left...), err
		}
	}
	return done, left, err
}

// suspects is how many works may fail one after the other before the database
// is blamed.
const suspects = 3

// salvage applies a rejected work's Transitions and Events one by one and drops
// those that are at fault: a passenger's alarm must not fall with a broken
// neighbour. The work is rejected as a whole only if nothing of it is left.
func (l *lane) salvage(ctx context.Context, w *work, reason string) error {
	nowMS := clock.NowMS(l.o.Clock)
	transitions, err := each(w.Transitions, func(some []ticket.Transition) error {
		return l.o.InTx(ctx, func(tx Tx) error { return tx.ApplyTransitions(ctx, w.Estate, w.Edge, w.behind(), some) })
	})
	if err != nil {
		return err
	}
	events, err := each(w.Events, func(some []telemetry.Event) error {
		return l.o.InTx(ctx, func(tx Tx) error { return tx.SaveEvents(ctx, w.Estate, w.Edge, nowMS, some) })
	})
	if err != nil {
		return err
	}
	dropped := len(w.Transitions) - len(transitions) + len(w.Events) - len(events)
	w.Transitions, w.Events = transitions, events // applied; again is harmless
	if dropped == 0 || len(transitions)+len(events) == 0 {
		w.reason = reason
	}
	l.o.Log.Error("parts of an envelope can never be stored", "estate", w.Estate, "edge", w.Edge,
		"sequences", w.Sequences, "reason", reason, "dropped", dropped, "kept", len(transitions)+len(events))
	return nil
}

// each calls apply with one element at a time and returns those not rejected.
func each[T any](all []T, apply func([]T) error) (kept []T, err error) {
	for i := range all {
		err := apply(all[i : i+1])
		if _, no := rejected(err); no {
			continue
		}
		if err != nil {
			return nil, err
		}
		kept = append(kept, all[i])
	}
	return kept, nil
}

func rejected(err error) (reason string, ok bool) {
	var r *rejection
	if !errors.As(err, &r) {
		return "", false
	}
	return r.reason, true
}

func (l *lane) inTx(ctx context.Context, works []*work) error {
	nowMS := clock.NowMS(l.o.Clock)
	err := l.o.InTx(ctx, func(tx Tx) error {
		for _, w := range works {
			if err := w.apply(ctx, tx, nowMS); err != nil {
				return err
			}
		}
		if days := clockDays(works, nowMS); len(days) > 0 {
			return tx.AddClockDays(ctx, days)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, w := range works {
		l.ledger.marked(w)
	}
	return nil
}

// apply gives w its effects, or makes its rejection visible as a gap, and marks
// it in the ledger.
func (w *work) apply(ctx context.Context, tx Tx, nowMS int64) error {
	gaps := w.Missing
	if w.reason != "" {
		for _, r := range w.Sequences {
			gaps = append(gaps[:len(gaps):len(gaps)], envelope.Gap{Range: r, Reason: "rejected_" + w.reason})
		}
	} else {
		if len(w.Transitions) > 0 {
			if err := tx.ApplyTransitions(ctx, w.Estate, w.Edge, w.behind(), w.Transitions); err != nil {
				return err
			}
		}
		if len(w.Events) > 0 {
			if err := tx.SaveEvents(ctx, w.Estate, w.Edge, nowMS, w.Events); err != nil {
				return err
			}
		}
	}
	if len(gaps) > 0 {
		if err := w.lose(ctx, tx, gaps); err != nil {
			return err
		}
	}
	return tx.MarkSettled(ctx, w.log, w.covered)
}

// lose makes visible what will never come, and nothing else: a Record whose
// Receipt got lost before its edge dropped it is here, and a gap that is told
// again in other pieces is one gap.
func (w *work) lose(ctx context.Context, tx Tx, gaps []envelope.Gap) error {
	var told envelope.RangeSet
	if !chaos.Broken(chaos.LedgerSkipped) {
		var err error
		if told, err = tx.Settled(ctx, w.log); err != nil {
			return err
		}
	}
	var lost []envelope.Gap
	for _, g := range gaps {
		for _, r := range told.Missing(g.Range) {
			lost = append(lost, envelope.Gap{Range: r, Reason: g.Reason, FromMS: g.FromMS, ToMS: g.ToMS})
		}
		told = told.Add(g.Range)
	}
	if len(lost) == 0 {
		return nil
	}
	chaos.At("ingest.gaps.before")
	err := tx.SaveGaps(ctx, w.log, lost)
	chaos.At("ingest.gaps.after")
	return err
}
