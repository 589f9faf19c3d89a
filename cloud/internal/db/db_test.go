package db_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/cloud/internal/fleet"
)

func inTx(t *testing.T, s *db.Store, f func(*db.Tx) error) {
	t.Helper()
	if err := s.InTx(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func addEstate(t *testing.T, s *db.Store, ids ...string) {
	t.Helper()
	inTx(t, s, func(tx *db.Tx) error {
		for _, id := range ids {
			if err := tx.SaveEstate(t.Context(), fleet.Estate{ID: id, Name: id, Timezone: "Asia/Shanghai"}); err != nil {
				return err
			}
		}
		return nil
	})
}

func hasEstate(t *testing.T, s *db.Store, id string) bool {
	t.Helper()
	_, ok, err := s.Read().Estate(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestWhatWasCommittedIsThereAfterReopening(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		s := d.Open(t)
		addEstate(t, s, "sunrise")
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		again := d.Open(t)
		if !hasEstate(t, again, "sunrise") {
			t.Error("gone")
		}
		if err := again.Check(t.Context()); err != nil {
			t.Error(err)
		}
		if err := again.Ping(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAFailedTransactionLeavesNoTrace(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		told := 0
		s.Watch(func(db.Committed) { told++ })
		cause := errors.New("second thoughts")
		err := s.InTx(t.Context(), func(tx *db.Tx) error {
			tx.AfterCommit(func() { told++ })
			tx.Change(db.Change{Estate: "sunrise", Kind: db.EdgeChange})
			if err := tx.SaveEstate(t.Context(), fleet.Estate{ID: "sunrise"}); err != nil {
				return err
			}
			return cause
		})
		if !errors.Is(err, cause) {
			t.Errorf("got %v", err)
		}
		if hasEstate(t, s, "sunrise") || told != 0 {
			t.Errorf("a trace: told %d times", told)
		}
	})
}

// A panic must give the one writer back.
func TestAPanicRollsBack(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		func() {
			defer func() { _ = recover() }()
			_ = s.InTx(t.Context(), func(tx *db.Tx) error {
				if err := tx.SaveEstate(t.Context(), fleet.Estate{ID: "sunrise"}); err != nil {
					return err
				}
				panic("a bug")
			})
		}()
		if hasEstate(t, s, "sunrise") {
			t.Error("a trace")
		}
		addEstate(t, s, "moonlight")
	})
}

func TestATransactionHasOneNow(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		inTx(t, s, func(tx *db.Tx) error {
			before := tx.NowMS()
			d.Pass(5000)
			if tx.NowMS() != before || before != dbtest.StartMS {
				t.Errorf("%d, then %d", before, tx.NowMS())
			}
			return nil
		})
	})
}

func TestCommitsWakeThoseWhoWait(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		var told []db.Committed
		s.Watch(func(c db.Committed) { told = append(told, c) })
		changed := s.Changed()
		hooks := []string{}
		addEstate(t, s, "sunrise") // means nothing to anybody
		inTx(t, s, func(tx *db.Tx) error {
			tx.AfterCommit(func() { hooks = append(hooks, "first") })
			tx.AfterCommit(func() { hooks = append(hooks, "second") })
			tx.Change(db.Change{Estate: "sunrise", Kind: db.EdgeChange, Ref: "e"})
			for _, at := range []int64{70, 50, 60} {
				if err := tx.PutItem(t.Context(), agenda.Item{Estate: "sunrise", Key: "k", RunAtMS: at}); err != nil {
					return err
				}
			}
			select {
			case <-changed:
				t.Error("told before the commit")
			default:
			}
			return nil
		})
		<-changed
		if d := cmp.Diff([]db.Committed{{Changes: true, DueMS: 50}}, told); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]string{"first", "second"}, hooks); d != "" {
			t.Error(d)
		}
	})
}

func TestANewerSchemaIsRefusedUntouched(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		s := d.Open(t)
		if err := s.Exec(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9000, TRUE)"); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		_, err := db.Open(t.Context(), d.Options)
		if !errors.Is(err, db.ErrNewerSchema) || !strings.Contains(err.Error(), "9000") {
			t.Errorf("got %v", err)
		}
	})
}

func TestCollectorsThatStartTogetherMigrateOnce(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		if err := d.Open(t).Downgrade(t.Context()); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if d.Engine == "sqlite" {
					return // one process owns the data directory
				}
				s, err := db.Open(context.WithoutCancel(t.Context()), d.Options)
				if err != nil {
					t.Error(err)
					return
				}
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		addEstate(t, d.Open(t), "sunrise")
	})
}

// Two writers wait for each other in a ring: one is run again.
func TestADeadlockIsRunAgain(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		if d.Engine == "sqlite" {
			return // one writer
		}
		addEstate(t, s, "a", "b")
		meet := make(chan struct{}, 2)
		both := make(chan struct{})
		go func() { <-meet; <-meet; close(both) }()
		var wg sync.WaitGroup
		for _, order := range [][2]string{{"a", "b"}, {"b", "a"}} {
			wg.Go(func() {
				first := true
				if err := s.InTx(t.Context(), func(tx *db.Tx) error {
					for i, id := range order {
						if err := tx.SaveEstate(t.Context(), fleet.Estate{ID: id, Name: "renamed by " + order[0]}); err != nil {
							return err
						}
						if i == 0 && first {
							first = false
							meet <- struct{}{}
							<-both
						}
					}
					return nil
				}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		a, _, _ := s.Read().Estate(t.Context(), "a")
		b, _, _ := s.Read().Estate(t.Context(), "b")
		if a.Name != b.Name || !strings.HasPrefix(a.Name, "renamed") {
			t.Errorf("mixed: %q and %q", a.Name, b.Name)
		}
	})
}

func TestReadersDoNotWaitForTheWriter(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		addEstate(t, s, "sunrise")
		inTx(t, s, func(tx *db.Tx) error {
			if err := tx.SaveEstate(t.Context(), fleet.Estate{ID: "moonlight"}); err != nil {
				return err
			}
			if !hasEstate(t, s, "sunrise") || hasEstate(t, s, "moonlight") {
				t.Error("a reader sees what is not committed")
			}
			if _, ok, err := tx.Estate(t.Context(), "moonlight"); !ok || err != nil {
				t.Errorf("the writer does not see its own: %v, %v", ok, err)
			}
			return nil
		})
	})
}

func TestAViewSeesOneState(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		err := s.InView(t.Context(), func(v *db.View) error {
			_, before, err := v.Estate(t.Context(), "sunrise")
			if err != nil {
				return err
			}
			addEstate(t, s, "sunrise")
			_, after, err := v.Estate(t.Context(), "sunrise")
			if before || after {
				t.Errorf("before %v, after %v", before, after)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
}

func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	s := sqlite(t, t.TempDir())
	if err := s.ExecOnReader(t.Context(), "DELETE FROM estates"); err == nil {
		t.Error("the read pool writes")
	}
}

func sqlite(t *testing.T, dir string) *db.Store {
	t.Helper()
	s, err := db.Open(t.Context(), db.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSQLiteLivesInAnyDirectory(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "阳光 花园?mode=memory&x#y%41")
	s := sqlite(t, dir)
	addEstate(t, s, "sunrise")
	for _, name := range []string{db.FileName, db.FileName + "-wal"} {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, st.Mode())
		}
	}
}

func TestPragmasAreReadBack(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "x.db")
	if err := db.OpenPool(t.Context(), file, "synchronous", "NORMAL", "1"); err != nil {
		t.Errorf("what it answers is refused: %v", err)
	}
	err := db.OpenPool(t.Context(), file, "synchronous", "NORMAL", "2")
	if err == nil || !strings.Contains(err.Error(), "synchronous=1") {
		t.Errorf("got %v", err)
	}
}

func TestABackupIsACompleteDatabase(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		addEstate(t, s, "sunrise")
		dir := t.TempDir()
		err := s.Backup(t.Context(), filepath.Join(dir, db.FileName))
		if d.Engine == "postgres" {
			if !errors.Is(err, db.ErrNoBackup) {
				t.Errorf("got %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		copied := sqlite(t, dir)
		if err := copied.Check(t.Context()); err != nil || !hasEstate(t, copied, "sunrise") {
			t.Errorf("not complete: %v", err)
		}
	})
}
