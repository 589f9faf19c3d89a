package db_test

import (
	"testing"

	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/protocol/envelope"
)

// On PostgreSQL some things may only be done by one collector at a time, from
// the first look until the commit. Each waits while another is at it.
func TestOneCollectorAtATime(t *testing.T) {
	t.Parallel()
	log := db.LogID{Estate: "sunrise", Edge: "e1", Epoch: "ep", Log: envelope.Alarm}
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		if d.Engine == "sqlite" {
			return // one writer
		}
		for name, work := range map[string]func(*db.Tx) error{
			// Otherwise a smaller id could appear behind one already seen.
			"changes": func(tx *db.Tx) error {
				tx.Change(db.Change{Estate: "sunrise", Kind: db.EdgeChange})
				return nil
			},
			// Otherwise one collector's ranges would overwrite another's.
			"ledger:sunrise/e1/ep/alarm": func(tx *db.Tx) error {
				return tx.MarkSettled(t.Context(), log, []envelope.Range{{First: 1, Last: 2}})
			},
			// Otherwise two clones could both be greeted.
			"edge:sunrise/e1": func(tx *db.Tx) error {
				_, err := tx.SaveHello(t.Context(), hello("s1", ""))
				return err
			},
			"tickets:sunrise": func(tx *db.Tx) error { return tx.LockTickets(t.Context(), "sunrise") },
		} {
			release, err := s.HoldLock(t.Context(), name)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { done <- s.InTx(t.Context(), work) }()
			for waiting := 0; waiting == 0; {
				if waiting, err = s.Waiting(t.Context()); err != nil {
					t.Fatal(err)
				}
				select {
				case err := <-done:
					t.Fatalf("%s: did not wait (%v)", name, err)
				default:
				}
			}
			if err := release(); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
