// Package dbtest runs tests on both engines: SQLite in a temporary directory,
// and a throw-away PostgreSQL that lives as long as the test binary, with a
// fresh database for every test. Nothing of either is left behind, even when
// the binary is killed.
//
// PostgreSQL is Debian's; a test that does not find it fails and says how to
// install it.
package dbtest

import (
	"log/slog"
	"sync/atomic"
	"testing"

	"github.com/linshao/linshao/cloud/internal/db"
)

// StartMS is where every Database's clock starts: 2024-11-22 10:00 UTC.
const StartMS = 1_732_269_600_000

// Database is an empty database with a clock of its own.
type Database struct {
	// Engine is "sqlite" or "postgres".
	Engine string
	// Options open it; Log and NowMS are set.
	Options db.Options
	nowMS   atomic.Int64
}

// Each runs test once per engine, in parallel, each time with an empty
// database.
func Each(t *testing.T, test func(t *testing.T, d *Database)) {
	t.Helper()
	for engine, empty := range map[string]func(*testing.T) db.Options{"sqlite": emptySQLite, "postgres": emptyPostgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			d := &Database{Engine: engine, Options: empty(t)}
			d.nowMS.Store(StartMS)
			d.Options.NowMS = d.NowMS
			test(t, d)
		})
	}
}

// Stores is Each for tests that need one open Store.
func Stores(t *testing.T, test func(t *testing.T, d *Database, s *db.Store)) {
	t.Helper()
	Each(t, func(t *testing.T, d *Database) { test(t, d, d.Open(t)) })
}

// Open opens the database until the test ends; it may be open many times.
func (d *Database) Open(t *testing.T) *db.Store {
	t.Helper()
	s, err := db.Open(t.Context(), d.Options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// NowMS is the clock's time.
func (d *Database) NowMS() int64 { return d.nowMS.Load() }

// Pass moves the clock on.
func (d *Database) Pass(ms int64) { d.nowMS.Add(ms) }

func emptySQLite(t *testing.T) db.Options { return db.Options{DataDir: t.TempDir()} }

// Logger writes to the test's log.
func (d *Database) Logger(t *testing.T) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), nil)).With("engine", d.Engine)
}
