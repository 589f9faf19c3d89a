package db

import (
	"context"
	"io/fs"

	"github.com/pressly/goose/v3"
)

// Exec runs a statement as an intruder would.
func (s *Store) Exec(ctx context.Context, query string, args ...any) error {
	_, err := s.write.NewRaw(query, args...).Exec(ctx)
	return err
}

// ExecOnReader does the same on the read pool.
func (s *Store) ExecOnReader(ctx context.Context, query string) error {
	_, err := s.read.NewRaw(query).Exec(ctx)
	return err
}

// Downgrade undoes all migrations.
func (s *Store) Downgrade(ctx context.Context) error {
	dialect, folder := goose.DialectSQLite3, "migrations/sqlite"
	if s.engine == postgres {
		dialect, folder = goose.DialectPostgres, "migrations/postgres"
	}
	files, err := fs.Sub(migrations, folder)
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(dialect, s.write.DB, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.DownTo(ctx, 0)
	return err
}

// OpenPool opens and closes a pool with one pragma.
func OpenPool(ctx context.Context, file, name, set, want string) error {
	p := []pragma{{name, set, want}}
	pool, err := openPool(ctx, dsn(file, p, ""), p, 1)
	if err != nil {
		return err
	}
	return pool.Close()
}

// Count counts the rows of a table.
func (s *Store) Count(ctx context.Context, table string) (n int, err error) {
	err = s.read.NewRaw("SELECT COUNT(*) FROM "+table).Scan(ctx, &n)
	return n, err
}

// HoldLock holds a named lock as another collector would, until release.
func (s *Store) HoldLock(ctx context.Context, name string) (release func() error, err error) {
	btx, err := s.write.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	tx := &Tx{View: View{db: btx, engine: s.engine}}
	return btx.Rollback, tx.lock(ctx, name)
}

// Waiting counts those of this database who wait for a named lock.
func (s *Store) Waiting(ctx context.Context) (n int, err error) {
	err = s.read.NewRaw(`SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
		AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`).Scan(ctx, &n)
	return n, err
}
