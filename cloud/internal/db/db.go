// Package db keeps the relational state of the collector: SQLite by default,
// PostgreSQL in production, behind the same queries. Each file holds one noun.
//
// What it guarantees: a transaction that was committed survives a power cut
// (synchronous=FULL, checked after opening); every row and every query carries
// its estate; a transaction has one instant, NowMS; hooks run after the commit
// and only then; a database written by a newer version is refused, untouched.
//
// Writes go through InTx. On SQLite there is one writer and a pool of readers
// that never wait for it; a function given to InTx must not call InTx again.
// On PostgreSQL it may be run again after a deadlock or a serialisation
// failure, so it must not keep anything of a failed run.
//
// Arguments become part of the SQL text (bun escapes them), and the text is
// sent as one single statement. Values from devices pass clean, since no
// engine takes a NUL.
//
// Only app and tests import this package.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/uptrace/bun"
)

// Options say which database to open.
type Options struct {
	// DataDir holds the SQLite file when URL is empty.
	DataDir string
	// URL is postgres://… or empty.
	URL string
	Log *slog.Logger
	// NowMS is the wall clock in Unix milliseconds; nil is the machine's.
	NowMS func() int64
}

// Store is an open database. Its methods are safe for concurrent use.
type Store struct {
	// write takes transactions; on SQLite it is one connection.
	write *bun.DB
	// read never blocks behind a writer.
	read   *bun.DB
	engine engine
	// file is SQLite's.
	file  string
	nowMS func() int64
	log   *slog.Logger

	mu sync.Mutex
	// watchers are told of commits; guarded by mu.
	watchers []func(Committed)
	// changed is closed at the next commit with Changes; guarded by mu.
	changed chan struct{}
}

// engine is what differs between the two.
type engine int

const (
	sqlite engine = iota
	postgres
)

// Open opens the database, brings its schema up to date, and checks that it
// keeps what it promises.
func Open(ctx context.Context, o Options) (*Store, error) {
	s := &Store{nowMS: o.NowMS, log: o.Log, changed: make(chan struct{})}
	if s.nowMS == nil {
		s.nowMS = func() int64 { return time.Now().UnixMilli() }
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.log = s.log.With("component", "db")
	open := s.openSQLite
	if o.URL != "" {
		open = s.openPostgres
	}
	if err := open(ctx, o); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if err := migrate(ctx, s.write.DB, s.engine); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Close closes all connections; it may be called twice.
func (s *Store) Close() error {
	var errs []error
	for _, d := range []*bun.DB{s.read, s.write} {
		if d != nil {
			errs = append(errs, d.Close())
		}
	}
	return errors.Join(errs...)
}

// Committed is what a commit means for those who wait.
type Committed struct {
	// Changes reports that there are new events for the console.
	Changes bool
	// DueMS is the earliest instant of the agenda items put; 0 if none was.
	DueMS int64
}

// Watch has f called after every commit that means something to somebody, on
// the committing goroutine: f must not block.
func (s *Store) Watch(f func(Committed)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers, f)
}

// Changed returns a channel that is closed at the next commit with Changes.
func (s *Store) Changed() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.changed
}

func (s *Store) tell(c Committed) {
	if !c.Changes && c.DueMS == 0 {
		return
	}
	s.mu.Lock()
	if c.Changes {
		close(s.changed)
		s.changed = make(chan struct{})
	}
	watchers := s.watchers
	s.mu.Unlock()
	for _, f := range watchers {
		f(c)
	}
}

// Ping reports whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.read.PingContext(ctx); err != nil {
		return fmt.Errorf("ping database: %w", err)
	}
	return nil
}

// found turns sql.ErrNoRows into false.
func found(err error) (bool, error) {
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}
