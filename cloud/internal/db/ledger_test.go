package db_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
)

func TestTheLedgerMergesRanges(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		id := db.LogID{Estate: "sunrise", Edge: "e1", Epoch: "ep\x00", Log: envelope.Samples}
		mark := func(rs ...envelope.Range) {
			inTx(t, s, func(tx *db.Tx) error { return tx.MarkSettled(t.Context(), id, rs) })
		}
		want := func(rs ...envelope.Range) {
			t.Helper()
			got, err := s.Read().Settled(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(envelope.RangeSet(rs), got); d != "" {
				t.Error(d)
			}
		}
		want()
		mark(envelope.Range{First: 1, Last: 10})
		mark(envelope.Range{First: 21, Last: 30}, envelope.Range{First: 41, Last: 50}) // live overtakes
		want(envelope.Range{First: 1, Last: 10}, envelope.Range{First: 21, Last: 30}, envelope.Range{First: 41, Last: 50})
		mark(envelope.Range{First: 11, Last: 25}) // overlaps and touches
		mark(envelope.Range{First: 11, Last: 25})
		want(envelope.Range{First: 1, Last: 30}, envelope.Range{First: 41, Last: 50})
		if n, err := s.Count(t.Context(), "ledger"); err != nil || n != 2 {
			t.Errorf("%d rows, %v", n, err)
		}
		err := s.InTx(t.Context(), func(tx *db.Tx) error {
			return tx.MarkSettled(t.Context(), id, []envelope.Range{{First: 51, Last: 1 << 63}})
		})
		if !errors.Is(err, db.ErrSequence) {
			t.Errorf("got %v", err)
		}
		other := id
		other.Estate = "moonlight"
		if got, err := s.Read().Settled(t.Context(), other); err != nil || len(got) != 0 {
			t.Errorf("another estate's ledger: %v, %v", got, err)
		}
	})
}

// Two collectors settle parts of one log at once; neither is forgotten.
func TestCollectorsMarkOneLogTogether(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		id := db.LogID{Estate: "sunrise", Edge: "e1", Epoch: "ep", Log: envelope.Alarm}
		done := make(chan error)
		const each = 25
		for w := range 2 {
			go func() {
				var err error
				for i := range each {
					seq := envelope.Sequence(2*i + w + 1)
					err = errors.Join(err, s.InTx(t.Context(), func(tx *db.Tx) error {
						return tx.MarkSettled(t.Context(), id, []envelope.Range{{First: seq, Last: seq}})
					}))
				}
				done <- err
			}()
		}
		if err := errors.Join(<-done, <-done); err != nil {
			t.Fatal(err)
		}
		got, err := s.Read().Settled(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(envelope.RangeSet{{First: 1, Last: 2 * each}}, got); d != "" {
			t.Error(d)
		}
	})
}

func TestGapsAndEventsAreKeptOnce(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		id := db.LogID{Estate: "sunrise", Edge: "e1", Epoch: "ep", Log: envelope.Samples}
		gap := envelope.Gap{Range: envelope.Range{First: 5, Last: 9}, Reason: "dropped_full", FromMS: 1, ToMS: 2}
		events := []telemetry.Event{
			{Device: "gate-1", Kind: "access-gate", Name: "door_forced_open", AtMS: 100, Data: []byte(`{"door":1}`)},
			{Device: "gate-1", Name: "door_forced_open", AtMS: 101, Marks: telemetry.Historical},
			{Device: "gate-2", Name: "door_forced_open", AtMS: 100},
		}
		for range 2 {
			inTx(t, s, func(tx *db.Tx) error {
				return errors.Join(tx.SaveGaps(ctx, id, []envelope.Gap{gap}), tx.SaveGaps(ctx, id, nil),
					tx.SaveEvents(ctx, "sunrise", "e1", events), tx.SaveEvents(ctx, "sunrise", "e1", nil))
			})
		}
		gaps, err := s.Read().Gaps(ctx, "sunrise", "e1", 10)
		if err != nil || len(gaps) != 1 || gaps[0].Gap != gap || gaps[0].LogID != id || gaps[0].HeardMS != dbtest.StartMS {
			t.Errorf("gaps %+v, %v", gaps, err)
		}
		got, err := s.Read().Events(ctx, "sunrise", "gate-1", 100, 102, 10)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]telemetry.Event{events[1], events[0]}, got); d != "" {
			t.Error(d)
		}
		if got, err := s.Read().Events(ctx, "sunrise", "gate-1", 0, 100, 10); err != nil || len(got) != 0 {
			t.Errorf("half-open: %v, %v", got, err)
		}
	})
}
