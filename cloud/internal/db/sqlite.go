package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/sqlitedialect"
	driver "modernc.org/sqlite"
)

// FileName is the SQLite file within the data directory.
const FileName = "linshao.db"

// readers bounds the read pool: two cores, and a few that wait for the disk.
const readers = 4

// pragma is a setting we ask for and what SQLite must answer to it.
type pragma struct{ name, set, want string }

// writerPragmas rest on measured traps: unknown keys of a DSN are ignored in
// silence, and synchronous=NORMAL may lose commits when the power fails.
func writerPragmas() []pragma {
	return []pragma{
		{"busy_timeout", "5000", "5000"},
		{"journal_mode", "WAL", "wal"},
		{"synchronous", "FULL", "2"},
		{"foreign_keys", "1", "1"},
	}
}

func readerPragmas() []pragma {
	return append(writerPragmas(), pragma{"query_only", "1", "1"})
}

func (s *Store) openSQLite(ctx context.Context, o Options) error {
	s.engine = sqlite
	file, err := sqliteFile(o.DataDir)
	if err != nil {
		return err
	}
	s.file = file
	driver.StrictPragmas(true)
	if s.write, err = openPool(ctx, dsn(file, writerPragmas(), "&_txlock=immediate"), writerPragmas(), 1); err != nil {
		return err
	}
	s.read, err = openPool(ctx, dsn(file, readerPragmas(), ""), readerPragmas(), readers)
	return err
}

// sqliteFile makes sure that the file exists and that only we can read it:
// SQLite gives its journal the same mode.
func sqliteFile(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find data directory: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make data directory: %w", err)
	}
	file := filepath.Join(dir, FileName)
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", fmt.Errorf("create database file: %w", err)
	}
	return file, f.Close()
}

// dsn is never made of user input but for the path, which is escaped.
func dsn(file string, pragmas []pragma, more string) string {
	var b strings.Builder
	b.WriteString("file:" + (&url.URL{Path: file}).EscapedPath() + "?")
	for i, p := range pragmas {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString("_pragma=" + p.name + "(" + p.set + ")")
	}
	return b.String() + more
}

func openPool(ctx context.Context, dsn string, pragmas []pragma, size int) (*bun.DB, error) {
	pool, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("open sqlite: %w", err)
	}
	pool.SetMaxOpenConns(size)
	pool.SetMaxIdleConns(size)
	for _, p := range pragmas {
		var got string
		if err := pool.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return nil, errors.Join(fmt.Errorf("read pragma %s: %w", p.name, err), pool.Close())
		}
		if got != p.want {
			return nil, errors.Join(fmt.Errorf("sqlite answers %s=%s to our %s: the database would not keep its promises", p.name, got, p.set), pool.Close())
		}
	}
	return bun.NewDB(pool, sqlitedialect.New()), nil
}

// ErrNoBackup means that the engine has tools of its own for this.
var ErrNoBackup = errors.New("PostgreSQL is backed up with its own tools, such as pg_dump")

// Backup writes a consistent copy of the SQLite database to a new file, while
// everything goes on.
func (s *Store) Backup(ctx context.Context, file string) error {
	if s.engine != sqlite {
		return ErrNoBackup
	}
	// A connection of its own: the read pool is query_only, which VACUUM INTO
	// is refused by, and the one writer must not wait for a long copy.
	own, err := openPool(ctx, dsn(s.file, writerPragmas(), ""), writerPragmas(), 1)
	if err != nil {
		return err
	}
	if _, err := own.NewRaw("VACUUM INTO ?", file).Exec(ctx); err != nil {
		return errors.Join(fmt.Errorf("back up database: %w", err), own.Close())
	}
	return own.Close()
}

// Check runs the engine's own integrity check (SQLite only).
func (s *Store) Check(ctx context.Context) error {
	if s.engine != sqlite {
		return nil
	}
	var says []string
	if err := s.read.NewRaw("PRAGMA integrity_check").Scan(ctx, &says); err != nil {
		return fmt.Errorf("check integrity: %w", err)
	}
	if len(says) != 1 || says[0] != "ok" {
		return fmt.Errorf("database is damaged: %s", strings.Join(says, "; "))
	}
	return nil
}
