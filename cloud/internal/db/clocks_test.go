package db_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
)

const dayMS = 24 * 3600 * 1000

func TestAClockIsDecidedAboutOnce(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		moves := func(boot string) (list []db.ClockMove) {
			inTx(t, s, func(tx *db.Tx) (err error) {
				list, err = tx.ClockMoves(t.Context(), "sunrise", "s1", boot)
				return err
			})
			return list
		}
		save := func(n int, m db.ClockMove) {
			inTx(t, s, func(tx *db.Tx) error { return tx.SaveClockMove(t.Context(), "sunrise", "s1", "b", n, m) })
		}
		first, second := db.ClockMove{EdgeMS: 9000, MovedMS: -7}, db.ClockMove{EdgeMS: 5, MovedMS: 0}
		save(0, first)
		save(1, second)
		save(0, db.ClockMove{EdgeMS: 1, MovedMS: 1})
		if diff := cmp.Diff([]db.ClockMove{first, second}, moves("b")); diff != "" {
			t.Error(diff)
		}
		if list := moves("c"); len(list) != 0 {
			t.Errorf("another boot: %v", list)
		}
		d.Pass(61 * dayMS)
		if err := s.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		if list := moves("b"); len(list) != 0 {
			t.Errorf("still there: %v", list)
		}
	})
}

func TestClockDaysAddUp(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		today := int64(dbtest.StartMS - dbtest.StartMS%dayMS)
		add := func(days ...db.ClockDay) {
			inTx(t, s, func(tx *db.Tx) error { return tx.AddClockDays(t.Context(), days) })
		}
		add()
		add(
			db.ClockDay{Estate: "sunrise", Device: "lift-1", DayMS: today, Samples: 2, Corrected: 1, Late: 2, MostMS: 50, FirstMS: -5, LastMS: 10},
			db.ClockDay{Estate: "heping", Device: "lift-1", DayMS: today, Samples: 9, Untrusted: 9, MostMS: 1, FirstMS: 1, LastMS: 1},
		)
		add(db.ClockDay{Estate: "sunrise", Device: "lift-1", DayMS: today, Samples: 3, Disbelieved: 3, MostMS: 40, FirstMS: 0, LastMS: 11})
		add(db.ClockDay{Estate: "sunrise", Device: "lift-1", DayMS: today + dayMS, Samples: 1, Late: 1, FirstMS: 3, LastMS: 3})
		want := []db.ClockDay{
			{Estate: "sunrise", Device: "lift-1", DayMS: today + dayMS, Samples: 1, Late: 1, FirstMS: 3, LastMS: 3},
			{Estate: "sunrise", Device: "lift-1", DayMS: today, Samples: 5, Corrected: 1, Disbelieved: 3, Late: 2, MostMS: 50, FirstMS: -5, LastMS: 11},
		}
		got, err := s.Read().ClockDays(t.Context(), "sunrise", "lift-1", 10)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Error(diff, err)
		}
		if got, err = s.Read().ClockDays(t.Context(), "sunrise", "lift-1", 1); len(got) != 1 || err != nil {
			t.Errorf("asked for one: %v, %v", got, err)
		}
		d.Pass(400*dayMS + 1)
		if err := s.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, err = s.Read().ClockDays(t.Context(), "sunrise", "lift-1", 10); len(got) != 1 || err != nil {
			t.Errorf("after 400 days: %v, %v", got, err)
		}
	})
}
