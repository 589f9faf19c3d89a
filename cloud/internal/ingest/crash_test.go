package ingest_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/protocol/envelope"
)

var errCrash = errors.New("the collector has died")

// edge is an honest edge: it sends what has no Receipt, again and again.
type edge struct {
	all []envelope.Envelope
}

func (e *edge) unsettled(w *world) (out []envelope.Envelope) {
	for _, x := range e.all {
		from := garden
		if x.Edge != from.Edge {
			from.Edge = x.Edge
		}
		if !w.settled(from, x.Log).ContainsAll(x.Sequences) {
			out = append(out, x)
		}
	}
	return out
}

// check holds what must be true once all is settled.
func (w *world) check(all []envelope.Envelope) {
	w.t.Helper()
	for _, e := range w.early {
		w.t.Errorf("a receipt before its commit: %s", e)
	}
	transitions, events := map[string]bool{}, map[string]bool{}
	for _, e := range all {
		for _, s := range e.Samples {
			if v, ok := w.series[place{e.Estate, e.Edge, s.Key.Device, s.Key.Metric, s.AtMS}]; !ok || v != s.Value {
				w.t.Errorf("sample of %d is lost", s.AtMS)
			}
		}
		for _, t := range e.Transitions {
			transitions[t.ID] = true
		}
		for _, ev := range e.Events {
			events[fmt.Sprint(ev.Device, ev.Name, ev.AtMS)] = true
		}
	}
	if len(w.tables.transitions) != len(transitions) || len(w.tables.order) != len(transitions) {
		w.t.Errorf("%d transitions took effect %d times, want %d once", len(w.tables.transitions), len(w.tables.order), len(transitions))
	}
	if len(w.tables.events) != len(events) {
		w.t.Errorf("%d events, want %d", len(w.tables.events), len(events))
	}
}

// A collector that dies before or after any of its steps, at any of their
// times, only repeats work: every effect is there once, and nothing was
// acknowledged before it was.
func TestDyingBetweenAnyTwoStepsOnlyRepeatsWork(t *testing.T) {
	t.Parallel()
	points := []string{"begin", "settled", "append", "appended", "apply", "events", "mark", "commit", "committed", "publish", "published"}
	for _, point := range points {
		for hit := 1; hit <= 4; hit++ {
			t.Run(fmt.Sprintf("%s %d", point, hit), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) { dieAt(t, point, hit) })
			})
		}
	}
}

func dieAt(t *testing.T, point string, hit int) {
	w := newWorld(t)
	e := edge{all: []envelope.Envelope{
		samplesOf(garden, 1, 3), alarmOf(garden, 1, 1), samplesOf(garden, 4, 4), alarmOf(garden, 2, 4), samplesOf(garden, 5, 9),
	}}
	hits, dead := 0, false
	fault := func(p string) error { // one life: dead at once, and for good
		w.mu.Lock()
		defer w.mu.Unlock()
		if p == point {
			hits++
		}
		dead = dead || p == point && hits == hit
		if dead {
			return errCrash
		}
		return nil
	}
	for life := 0; len(e.unsettled(w)) > 0; life++ {
		if life > 20 {
			t.Fatalf("still unsettled: %v", e.unsettled(w))
		}
		w.mu.Lock()
		w.fault, dead = fault, false
		w.mu.Unlock()
		c := w.start()
		for _, x := range e.unsettled(w) {
			w.mustSend(c, x)
			if life == 0 {
				synctest.Wait() // one by one at first, together later
			}
		}
		synctest.Wait()
		c.stop()
	}
	w.check(e.all)
}

// Random Envelopes, cut and repeated at random, two edges, a database and a
// series store that fail one time in eight: in the end all is there, once.
func TestRandomFailuresAndOverlapsLoseAndDoubleNothing(t *testing.T) {
	t.Parallel()
	for range 20 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { storm(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func storm(t *testing.T, rng *rand.Rand) {
	w := newWorld(t)
	other := garden
	other.Edge = "garden-2"
	var e edge
	for range 30 {
		from := garden
		if rng.IntN(2) == 0 {
			from = other
		}
		first := envelope.Sequence(1 + rng.IntN(40))
		last := first + envelope.Sequence(rng.IntN(8))
		if rng.IntN(3) == 0 {
			e.all = append(e.all, alarmOf(from, first, last))
		} else {
			e.all = append(e.all, samplesOf(from, first, last))
		}
	}
	w.fault = func(string) error {
		w.mu.Lock()
		defer w.mu.Unlock()
		if rng.IntN(8) == 0 {
			return errCrash
		}
		return nil
	}
	for life := 0; len(e.unsettled(w)) > 0; life++ {
		if life > 500 {
			t.Fatal("never settled")
		}
		c := w.start()
		for _, x := range e.unsettled(w) {
			w.mustSend(c, x)
		}
		synctest.Wait()
		c.stop()
	}
	w.check(e.all)
}

// A Transition that the desk will never take costs itself only: the passenger
// in the same Envelope is paged, and what comes behind goes on.
func TestAPoisonTransitionCostsOnlyItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		poison := map[string]error{"garden-1-2": ingest.Reject("bad_transition"), "garden-1-5": ingest.Reject("bad_transition")}
		c := w.start()
		defer c.stop()
		// Set before any message: refuse is read without a lock.
		w.refuse = func(tr ticketTransition) error { return poison[tr.ID] }
		w.mustSend(c, alarmOf(garden, 1, 3))
		w.mustSend(c, alarmOf(garden, 5, 5))
		w.mustSend(c, alarmOf(garden, 6, 6))
		synctest.Wait()
		if got := w.tables.order; !slices.Equal(got, []string{"garden-1-1", "garden-1-3", "garden-1-6"}) {
			t.Errorf("took effect: %v", got)
		}
		var verdicts []envelope.Verdict
		for _, r := range w.receipts[garden] {
			verdicts = append(verdicts, r.Verdict)
			if r.Verdict == envelope.Rejected && (r.Reason != "bad_transition" || r.Sequences[0].First != 5) {
				t.Errorf("%+v", r)
			}
		}
		slices.Sort(verdicts)
		if !slices.Equal(slices.Compact(verdicts), []envelope.Verdict{envelope.Rejected, envelope.Stored}) {
			t.Errorf("verdicts %v", verdicts)
		}
		if !w.tables.gaps["garden-1 5-5 rejected_bad_transition"] {
			t.Errorf("the rejection leaves no gap: %v", w.tables.gaps)
		}
		if len(w.early) > 0 {
			t.Errorf("early: %v", w.early)
		}
	})
}

// One that fails for no known reason, always, must not hold up the others; it
// is left without a Receipt and comes again.
func TestOneThatNeverCommitsHoldsUpNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.refuse = func(tr ticketTransition) error {
			if tr.ID == "garden-1-1" {
				return errors.New("deadlock, always")
			}
			return nil
		}
		c := w.start()
		defer c.stop()
		w.mustSend(c, alarmOf(garden, 1, 1))
		for s := envelope.Sequence(2); s <= 20; s++ {
			w.mustSend(c, alarmOf(garden, s, s))
		}
		waitVirtual(t)
		if got := w.settled(garden, envelope.Alarm); !slices.Equal(got, envelope.RangeSet{{First: 2, Last: 20}}) {
			t.Errorf("settled %v", got)
		}
		if n := c.count(t, "linshao_cloud_envelopes_total", "alarm", "uncommitted"); n != 1 {
			t.Errorf("%d uncommitted", n)
		}
	})
}
