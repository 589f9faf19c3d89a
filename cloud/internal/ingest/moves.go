package ingest

import (
	"context"
	"fmt"
	"math"

	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/telemetry"

	"github.com/linshao/linshao/cloud/internal/series"
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

// moves are the decisions about clocks whose word alone cannot be taken: those
// that nobody measured, since a boot that never reached the cloud may have
// recorded in any year, and those that were measured against a clock of the
// cloud that has been set back since. What is recorded by such a clock is
// moved by what was decided when the first of it came; that is durable before
// a sample is and never changes: a Record that is sent again gets the times
// that it got. It belongs to one lane's committer.
type moves struct {
	known map[BootID][]ClockMove
}

func newMoves() *moves { return &moves{known: map[BootID][]ClockMove{}} }

// boot cuts what an edge may call its boot to what a key can hold. What was
// measured differently is told apart.
func (w *work) boot() BootID {
	name := w.Origin.Boot[:min(len(w.Origin.Boot), limit.MaxNameBytes)]
	if w.Origin.SkewKnown {
		name = fmt.Sprintf("%s@%d", name, w.Origin.SkewMS)
	}
	return BootID{w.Estate, w.Edge, name}
}

// unsure reports whether something must be decided about w's clock that is
// not. A clock that was measured is right until it is ahead.
func (m *moves) unsure(w *work, nowMS int64) bool {
	if len(w.Samples)+len(w.Events) == 0 {
		return false
	}
	list, read := m.known[w.boot()]
	return !read || decidable(list, w, nowMS) != nil
}

// learn decides about those clocks of ws about which nothing is decided yet.
func (m *moves) learn(ctx context.Context, inTx InTx, ws []*work, nowMS int64) error {
	var open []*work
	for _, w := range ws {
		if m.unsure(w, nowMS) {
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
	for {
		newest := decidable(read[id], w, nowMS)
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
}

// decidable is the newest reading of w about which something is to be decided
// now, nil if there is none.
func decidable(list []ClockMove, w *work, nowMS int64) *reading {
	newest := undecided(list, w)
	if len(list) >= mostMoves || newest == nil || w.Origin.SkewKnown && newest.atMS <= nowMS+telemetry.NewestAheadMS {
		return nil
	}
	return newest
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

// move gives w's samples and events the times that were decided. A Sample of a
// clock that was measured may have been stored as it is, before it seemed to be
// ahead, and stays there. An error means that w is as it was.
func (m *moves) move(ctx context.Context, stored Reader, w *work) error {
	list := m.known[w.boot()]
	if len(list) == 0 {
		return nil
	}
	by := make([]int64, len(w.Samples))
	for i := range w.Samples {
		ms, _ := movedBy(list, w.Samples[i].EdgeMS)
		if ms != 0 && w.Origin.SkewKnown {
			held, err := holds(ctx, stored, w, &w.Samples[i])
			if err != nil {
				return err
			}
			if held {
				ms = 0
			}
		}
		by[i] = ms
	}
	const marks = telemetry.ReceiveTime | telemetry.ClockUntrusted
	for i, ms := range by {
		if s := &w.Samples[i]; ms != 0 {
			s.AtMS, s.Marks = s.AtMS-ms, s.Marks|marks
		}
	}
	for i := range w.Events {
		e := &w.Events[i]
		if ms, _ := movedBy(list, e.EdgeMS); ms != 0 {
			e.AtMS, e.Marks = e.AtMS-ms, e.Marks|marks
		}
	}
	return nil
}

// holds reports whether the store has s as it is.
func holds(ctx context.Context, stored Reader, w *work, s *telemetry.Sample) (bool, error) {
	sel := series.Selector{Estate: w.Estate, Edge: w.Edge, Device: s.Key.Device, Metric: s.Key.Metric}
	points, err := stored.Range(ctx, sel, s.AtMS, s.AtMS+1, 0)
	if err != nil {
		return false, fmt.Errorf("look for a sample of %s: %w", s.Key.Device, err)
	}
	for _, p := range points {
		if p.Gap == (s.Quality == telemetry.Bad) && (p.Gap || p.Mean == s.Value) {
			return true, nil
		}
	}
	return false, nil
}
