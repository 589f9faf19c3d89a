package db_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
)

// An id that a reader has seen must have none behind it that appears later.
func TestChangesAppearInOrder(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		const writers, each = 4, 25
		done := make(chan error)
		for range writers {
			go func() {
				var err error
				for range each {
					err = errors.Join(err, s.InTx(t.Context(), func(tx *db.Tx) error {
						tx.Change(db.Change{Estate: "sunrise", Kind: db.TicketChange, Ref: "a"})
						tx.Change(db.Change{Estate: "sunrise", Kind: db.TicketChange, Ref: "b"})
						return nil
					}))
				}
				done <- err
			}()
		}
		seen, last := 0, int64(0)
		for working := writers; seen < 2*writers*each; {
			changed := s.Changed()
			list, oldest, err := s.Read().Changes(t.Context(), last, 7)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range list {
				if c.ID <= last || c.ID < oldest {
					t.Fatalf("id %d after %d, oldest %d", c.ID, last, oldest)
				}
				last = c.ID
			}
			seen += len(list)
			if len(list) > 0 {
				continue
			}
			if working == 0 {
				t.Fatalf("only %d seen", seen)
			}
			select {
			case <-changed:
			case err := <-done:
				if working--; err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestPruningKeepsWhatIsStillGood(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		change := func() {
			inTx(t, s, func(tx *db.Tx) error {
				tx.Change(db.Change{Estate: "sunrise", Kind: db.EdgeChange})
				return tx.AddLink(ctx, access.Link{Hash: fmt.Sprint(d.NowMS()), Estate: "sunrise", ExpiresMS: d.NowMS() + 24*3_600_000})
			})
		}
		change()
		d.Pass(90 * 60_000)
		change()
		if err := s.Prune(ctx); err != nil {
			t.Fatal(err)
		}
		if list, oldest, _ := s.Read().Changes(ctx, 0, 9); len(list) != 2 || oldest != list[0].ID {
			t.Errorf("%d changes, oldest %d", len(list), oldest)
		}
		d.Pass(25 * 3_600_000)
		if err := s.Prune(ctx); err != nil {
			t.Fatal(err)
		}
		newest, _ := s.Read().NewestChange(ctx)
		if list, oldest, _ := s.Read().Changes(ctx, 0, 9); len(list) != 1 || oldest != newest {
			t.Errorf("%d changes, oldest %d", len(list), oldest)
		}
		if n, _ := s.Count(ctx, "links"); n != 0 {
			t.Errorf("%d expired links", n)
		}
		change()
		if after, _ := s.Read().NewestChange(ctx); after <= newest {
			t.Errorf("id %d was issued again", after)
		}
	})
}
