package ingest

import (
	"context"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// putRight corrects the times of what a clock recorded that is known to be
// wrong [P-5.6].
func putRight(e *envelope.Envelope) {
	bound(e)
	e.Origin.Correct(e.Samples)
	e.Origin.CorrectEvents(e.Events)
	for i := range e.Transitions {
		e.Transitions[i] = putTransitionRight(e.Transitions[i], e.Origin)
	}
}

// farMS is further than any clock can be: some 140,000 years. Sums of a few
// such times do not overflow.
const farMS = 1 << 52

// bound keeps what an edge says of times within what can be reckoned with.
func bound(e *envelope.Envelope) {
	near := func(ms int64) int64 { return min(max(ms, -farMS), farMS) }
	e.Origin.EdgeMS, e.Origin.SkewMS = near(e.Origin.EdgeMS), near(e.Origin.SkewMS)
	for i := range e.Samples {
		s := &e.Samples[i]
		s.AtMS, s.EdgeMS, s.DeviceMS = near(s.AtMS), near(s.EdgeMS), near(s.DeviceMS)
	}
	for i := range e.Events {
		v := &e.Events[i]
		v.AtMS, v.EdgeMS, v.DeviceMS = near(v.AtMS), near(v.EdgeMS), near(v.DeviceMS)
	}
}

// putTransitionRight leaves the stamp: the order of a ticket's log is the
// writer's to tell.
func putTransitionRight(x ticket.Transition, o telemetry.Origin) ticket.Transition {
	x.AtMS = o.CorrectMS(x.AtMS)
	for i := range x.Evidence {
		x.Evidence[i].AtMS = o.CorrectMS(x.Evidence[i].AtMS)
	}
	return x
}

// place gives works the times under which they are stored, which depend on
// nothing but them and what was decided durably: never on when they come. It
// returns those that may be stored now. What still lies ahead was decided about
// by a clock of the cloud that has been set back since, or is a lie: it gets no
// Receipt and waits at its edge until its time has come.
func (l *lane) place(ctx context.Context, works []*work) (now []*work) {
	if !l.series {
		return works
	}
	nowMS := clock.NowMS(l.o.Clock)
	if !l.until(ctx, "deciding about clocks", func() error { return l.moves.learn(ctx, l.o.InTx, works, nowMS) }) {
		return nil
	}
	for _, w := range works {
		if !l.until(ctx, "reading what is stored", func() error { return l.moves.move(ctx, l.o.Stored, w) }) {
			return nil
		}
		if aheadMS := w.newestMS() - nowMS; aheadMS > telemetry.NewestAheadMS {
			l.count(w.message, resultAhead)
			l.o.Log.Error("an envelope lies in the future, its edge keeps it: compare the clocks",
				"estate", w.Estate, "edge", w.Edge, "sequences", w.Sequences, "ahead_ms", aheadMS)
			continue
		}
		now = append(now, w)
	}
	return now
}

// newestMS is the latest time of w's samples and events, far in the past if
// there are none.
func (w *work) newestMS() int64 {
	newest := int64(-farMS)
	for i := range w.Samples {
		newest = max(newest, w.Samples[i].AtMS)
	}
	for i := range w.Events {
		newest = max(newest, w.Events[i].AtMS)
	}
	return newest
}
