package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/uptrace/bun"
	driver "modernc.org/sqlite"
	sqlitecodes "modernc.org/sqlite/lib"
)

// View reads. One that comes from Read sees each query's own instant; one
// that comes from InView, and every Tx, sees one state throughout.
type View struct {
	db     bun.IDB
	engine engine
	nowMS  int64
}

// Tx is one transaction. It is used by one goroutine and ends with the
// function that it was given to.
type Tx struct {
	View
	changes []changeRow
	dueMS   int64
	after   []func()
	concern concern
}

// NowMS is the transaction's one instant.
func (v *View) NowMS() int64 { return v.nowMS }

// Read returns a View outside any transaction.
func (s *Store) Read() *View { return &View{db: s.read, engine: s.engine, nowMS: s.nowMS()} }

// InView runs f over one unchanging state of the database.
func (s *Store) InView(ctx context.Context, f func(*View) error) error {
	o := &sql.TxOptions{ReadOnly: true}
	if s.engine == postgres {
		o.Isolation = sql.LevelRepeatableRead
	}
	tx, err := s.read.BeginTx(ctx, o)
	if err != nil {
		return fmt.Errorf("begin view: %w", err)
	}
	return errors.Join(f(&View{db: tx, engine: s.engine, nowMS: s.nowMS()}), tx.Rollback())
}

// tries is how often InTx runs its function before it gives up.
const tries = 4

// InTx runs f in one transaction: all of it is durable when InTx returns nil,
// and none of it happened otherwise. f's error comes back as it is.
func (s *Store) InTx(ctx context.Context, f func(*Tx) error) error {
	var err error
	for range tries {
		if err = s.once(ctx, f); !conflict(err) {
			return err
		}
		s.log.Info("transaction runs again", "err", err)
	}
	return err
}

func (s *Store) once(ctx context.Context, f func(*Tx) error) (err error) {
	btx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin transaction: %w", err)
	}
	committed := false
	defer func() {
		if !committed { // also when f panics: the one writer must come free
			err = errors.Join(err, ignoreDone(btx.Rollback()))
		}
	}()
	tx := &Tx{View: View{db: btx, engine: s.engine, nowMS: s.nowMS()}}
	if err := f(tx); err != nil {
		return err
	}
	if err := tx.saveChanges(ctx); err != nil {
		return err
	}
	tx.concern.beforeCommit()
	if err := btx.Commit(); err != nil {
		return fmt.Errorf("commit transaction: %w", err)
	}
	committed = true
	tx.concern.afterCommit()
	for _, hook := range tx.after {
		hook()
	}
	s.tell(Committed{Changes: len(tx.changes) > 0, DueMS: tx.dueMS})
	return nil
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// AfterCommit calls f once the transaction is durable, on the goroutine of
// InTx, and not at all if it fails. f must not block.
func (tx *Tx) AfterCommit(f func()) { tx.after = append(tx.after, f) }

// conflict reports whether the engine asked for the transaction to be run
// again: a deadlock or serialisation failure, or a writer in another process.
func conflict(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	var lite *driver.Error
	return errors.As(err, &lite) && lite.Code()&0xff == sqlitecodes.SQLITE_BUSY
}

// lock keeps all others that lock the same name waiting until the transaction
// ends. SQLite has one writer anyway.
func (tx *Tx) lock(ctx context.Context, name string) error {
	if tx.engine != postgres {
		return nil
	}
	if _, err := tx.db.NewRaw("SELECT pg_advisory_xact_lock(hashtextextended(?, 0))", name).Exec(ctx); err != nil {
		return fmt.Errorf("lock %s: %w", name, err)
	}
	return nil
}
