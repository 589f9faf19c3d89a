package ingest

import (
	"context"
	"fmt"
	"math"

	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/telemetry"
)

// BootID names one run of an edge, and so one life of its clock.
type BootID struct{ Estate, Edge, Boot string }

// ClockMove says that what a clock read within moveSpanMS of EdgeMS is put
// MovedMS earlier.
type ClockMove struct{ EdgeMS, MovedMS int64 }

const (
	// moveSpanMS is more than what waits in an outbox can span.
	moveSpanMS = 40 * 24 * 3600 * 1000
	// mostMoves bounds what one boot may have decided. What lies beyond is not
	// moved.
	mostMoves = 8
)

// moves are the decisions about clocks that nobody measured: a boot that never
// reached the cloud may have recorded in any year. What such records are moved
// by is decided when the first of them comes, is durable before a sample is,
// and never changes: a Record that is sent again gets the times that it got.
// It belongs to one lane's committer.
type moves struct {
	known map[BootID][]ClockMove
}

func newMoves() *moves { return &moves{known: map[BootID][]ClockMove{}} }

// unmeasured reports whether all that is known of w's clock is what it says,
// and there is something to which that matters.
func (w *work) unmeasured() bool {
	return !w.Origin.SkewKnown && len(w.Samples)+len(w.Events) > 0
}

// boot cuts what an edge may call its boot to what a key can hold.
func (w *work) boot() BootID {
	return BootID{w.Estate, w.Edge, w.Origin.Boot[:min(len(w.Origin.Boot), limit.MaxNameBytes)]}
}

// learn decides about those clocks of ws about which nothing is decided yet.
func (m *moves) learn(ctx context.Context, inTx InTx, ws []*work, nowMS int64) error {
	var open []*work
	for _, w := range ws {
		if w.unmeasured() && len(m.known[w.boot()]) < mostMoves && undecided(m.known[w.boot()], w) != nil {
			open = append(open, w)
		}
	}
	if len(open) == 0 {
		return nil
	}
	var read map[BootID][]ClockMove
	err := inTx(ctx, func(tx Tx) error {
		read = map[BootID][]ClockMove{}
		for _, w := range open {
			if err := decide(ctx, tx, read, w, nowMS); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("decide about clocks: %w", err)
	}
	if len(m.known)+len(read) > maxKnown {
		clear(m.known)
	}
	for id, list := range read {
		m.known[id] = list
	}
	return nil
}

// decide adds to read what is decided about w's clock, and decides the rest.
func decide(ctx context.Context, tx Tx, read map[BootID][]ClockMove, w *work, nowMS int64) error {
	id := w.boot()
	if _, ok := read[id]; !ok {
		list, err := tx.ClockMoves(ctx, id)
		if err != nil {
			return err
		}
		read[id] = list
	}
	for len(read[id]) < mostMoves {
		newest := undecided(read[id], w)
		if newest == nil {
			return nil
		}
		next := ClockMove{EdgeMS: newest.edgeMS}
		if newest.atMS > nowMS+telemetry.NewestAheadMS || newest.atMS < nowMS-telemetry.OldestAgeMS {
			next.MovedMS = newest.atMS - nowMS
		}
		if err := tx.SaveClockMove(ctx, id, len(read[id]), next); err != nil {
			return err
		}
		read[id] = append(read[id], next)
	}
	return nil
}

// reading is one time of an edge's clock, and the effective time beside it.
type reading struct{ edgeMS, atMS int64 }

// undecided is the newest reading of w that list says nothing about, nil if
// there is none.
func undecided(list []ClockMove, w *work) *reading {
	newest := reading{atMS: math.MinInt64}
	look := func(edgeMS, atMS int64) {
		if _, ok := movedBy(list, edgeMS); !ok && atMS > newest.atMS {
			newest = reading{edgeMS, atMS}
		}
	}
	for i := range w.Samples {
		look(w.Samples[i].EdgeMS, w.Samples[i].AtMS)
	}
	for i := range w.Events {
		look(w.Events[i].EdgeMS, w.Events[i].AtMS)
	}
	if newest.atMS == math.MinInt64 {
		return nil
	}
	return &newest
}

// movedBy is what the oldest decision about a reading says: a later one never
// changes it.
func movedBy(list []ClockMove, edgeMS int64) (ms int64, ok bool) {
	for _, m := range list {
		if d := edgeMS - m.EdgeMS; d >= -moveSpanMS && d <= moveSpanMS {
			return m.MovedMS, true
		}
	}
	return 0, false
}

// move gives w's samples and events the times that were decided.
func (m *moves) move(w *work) {
	if !w.unmeasured() {
		return
	}
	list := m.known[w.boot()]
	const marks = telemetry.ReceiveTime | telemetry.ClockUntrusted
	for i := range w.Samples {
		s := &w.Samples[i]
		if ms, _ := movedBy(list, s.EdgeMS); ms != 0 {
			s.AtMS, s.Marks = s.AtMS-ms, s.Marks|marks
		}
	}
	for i := range w.Events {
		e := &w.Events[i]
		if ms, _ := movedBy(list, e.EdgeMS); ms != 0 {
			e.AtMS, e.Marks = e.AtMS-ms, e.Marks|marks
		}
	}
}
