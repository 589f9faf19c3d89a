package db_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/agenda/agendatest"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/protocol/kit/clock"
)

// table is the agenda with each way in as a transaction of its own.
type table struct {
	db.Agenda
	s *db.Store
}

func (tb table) Put(ctx context.Context, it agenda.Item) error {
	return tb.s.InTx(ctx, func(tx *db.Tx) error { return tx.PutItem(ctx, it) })
}

func (tb table) PutOnce(ctx context.Context, it agenda.Item) error {
	return tb.s.InTx(ctx, func(tx *db.Tx) error { return tx.PutItemOnce(ctx, it) })
}

func (tb table) Cancel(ctx context.Context, key string) error {
	return tb.s.InTx(ctx, func(tx *db.Tx) error { return tx.CancelItem(ctx, key) })
}

func TestTheAgendaKeepsItsContract(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		agendatest.Run(t, func(t *testing.T) agendatest.Table {
			if err := s.Exec(t.Context(), "DELETE FROM agenda"); err != nil {
				t.Fatal(err)
			}
			return table{s.Agenda(), s}
		})
	})
}

func TestEstatesCannotTouchEachOthersItems(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		tb := table{s.Agenda(), s}
		for _, estate := range []string{"sunrise", "moonlight"} {
			if err := tb.Put(t.Context(), agenda.Item{Estate: estate, Kind: "route", Key: "route:t1", RunAtMS: 1}); err != nil {
				t.Fatal(err)
			}
		}
		works, err := tb.Claim(t.Context(), agenda.Claim{NowMS: 1, LeaseUntilMS: 9, Limit: 9})
		if err != nil || len(works) != 2 {
			t.Errorf("got %+v, %v", works, err)
		}
	})
}

// A collector that starts alone takes over at once what the one before it was
// killed at, which settles nothing any more.
func TestAStartTakesOverWhatTheDeadHeld(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		tb := table{s.Agenda(), s}
		if err := tb.Put(t.Context(), agenda.Item{Estate: "sunrise", Key: "k", RunAtMS: 1}); err != nil {
			t.Fatal(err)
		}
		claim := func(now int64) []agenda.Work {
			works, err := tb.Claim(t.Context(), agenda.Claim{NowMS: now, LeaseUntilMS: 9000, Limit: 1})
			if err != nil {
				t.Fatal(err)
			}
			return works
		}
		dead := claim(1)
		if len(dead) != 1 || len(claim(2)) != 0 {
			t.Fatal("the lease does not hold")
		}
		if err := tb.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if heir := claim(2); len(heir) != 1 || !errors.Is(tb.Finish(t.Context(), dead[0]), agenda.ErrLeaseLost) {
			t.Errorf("taken over: %+v", heir)
		}
	})
}

func TestHoldingWorkKeepsItAndChecksTheLease(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		tb := table{s.Agenda(), s}
		if err := tb.Put(t.Context(), agenda.Item{Estate: "sunrise", Key: "k", RunAtMS: 1}); err != nil {
			t.Fatal(err)
		}
		works, err := tb.Claim(t.Context(), agenda.Claim{NowMS: 1, LeaseUntilMS: 9, Limit: 1})
		if err != nil || len(works) != 1 {
			t.Fatal(works, err)
		}
		hold := func() error {
			return s.InTx(t.Context(), func(tx *db.Tx) error { return tx.HoldWork(t.Context(), works[0]) })
		}
		if err := errors.Join(hold(), hold()); err != nil {
			t.Error(err)
		}
		if err := tb.Finish(t.Context(), works[0]); err != nil {
			t.Error(err)
		}
		if err := hold(); !errors.Is(err, agenda.ErrLeaseLost) {
			t.Errorf("got %v", err)
		}
		if err := s.InTx(t.Context(), func(tx *db.Tx) error { return tx.FinishWork(t.Context(), agenda.Work{}) }); !errors.Is(err, agenda.ErrLeaseLost) {
			t.Errorf("no lease at all: %v", err)
		}
	})
}

// Two collectors, every item with one effect: effect and settlement are one
// transaction, and a third of all first attempts die in between.
func TestEffectsHappenOnceAcrossCollectors(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		const items = 60
		s := d.Open(t)
		var left sync.WaitGroup
		left.Add(items)
		job := func(s *db.Store) agenda.Job {
			return func(ctx context.Context, w agenda.Work) error {
				err := s.InTx(ctx, func(tx *db.Tx) error {
					if err := tx.AddLink(ctx, access.Link{Hash: fmt.Sprint(w.Key, " ", w.Attempt)}); err != nil {
						return err
					}
					if w.Attempt == 1 && w.Payload[0]%3 == 0 {
						return errors.New("died")
					}
					tx.AfterCommit(left.Done)
					return tx.FinishWork(ctx, w)
				})
				return err
			}
		}
		inTx(t, s, func(tx *db.Tx) error {
			for i := range items {
				it := agenda.Item{Estate: "sunrise", Kind: "effect", Key: fmt.Sprint("k", i), RunAtMS: 1, Payload: []byte{byte(i)}}
				if err := tx.PutItem(t.Context(), it); err != nil {
					return err
				}
			}
			return nil
		})
		ctx, stop := context.WithCancel(t.Context())
		var collectors sync.WaitGroup
		for range 2 {
			store := s
			if d.Engine == "postgres" {
				store = d.Open(t) // a process of its own
			}
			r := agenda.New(agenda.Options{
				Store: store.Agenda(), Clock: clock.NewSystem(), Workers: 4, Jobs: map[string]agenda.Job{"effect": job(store)},
			})
			store.Watch(func(c db.Committed) {
				if c.DueMS != 0 {
					r.Wake(c.DueMS)
				}
			})
			collectors.Go(func() {
				if err := r.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		left.Wait()
		stop()
		collectors.Wait()
		n, err := s.Count(t.Context(), "links")
		if err != nil || n != items {
			t.Errorf("%d effects of %d items, %v", n, items, err)
		}
		if n, err := s.Count(t.Context(), "agenda"); err != nil || n != 0 {
			t.Errorf("%d items left, %v", n, err)
		}
	})
}
