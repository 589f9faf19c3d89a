package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/protocol/kit/clock"
)

const (
	// followEvery is how often the wall clock is held against the monotonic one.
	followEvery = 500 * time.Millisecond
	// followAgain is when it is tried again after the database failed.
	followAgain = 5 * time.Second
	// apartMost is how far they may part before the collector follows: what
	// is due is never off by more, and a smeared leap second is followed in
	// a few steps.
	apartMost = 250 * time.Millisecond
)

// steady is the collector's one clock: a wall clock that does not jump by
// itself. When the machine's does (an operator, a time server, a smeared leap
// second), steady goes on as before until everything that waits for an instant
// has been moved by as much, and then follows in the same transaction. So a
// step that was due in a minute is due in a minute.
type steady struct {
	clock.Clock

	// moved is told of every shift while nobody else can write; may be nil.
	moved func(time.Duration)

	mu sync.Mutex
	// zero is what Now was when Mono was 0.
	zero time.Time
}

func newSteady(c clock.Clock) *steady {
	return &steady{Clock: c, zero: c.Now().Add(-c.Mono())}
}

// Now implements clock.Clock.
func (s *steady) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.zero.Add(s.Mono())
}

// apart is by how much the machine's clock is ahead.
func (s *steady) apart() time.Duration { return s.Clock.Now().Sub(s.Now()) }

func (s *steady) shift(d time.Duration) {
	s.mu.Lock()
	s.zero = s.zero.Add(d)
	s.mu.Unlock()
	if s.moved != nil {
		s.moved(d)
	}
}

// run follows the machine's clock until ctx ends. While the database takes
// nothing, as on a full disk, time goes on as before.
func (s *steady) run(ctx context.Context, store *db.Store, log *slog.Logger) {
	pause := followEvery
	for clock.Wait(ctx, s.Clock, pause) == nil {
		pause = followEvery
		d := s.apart().Truncate(time.Millisecond)
		if d.Abs() <= apartMost {
			continue
		}
		if err := s.follow(ctx, store, d); err != nil && ctx.Err() == nil {
			log.Error("time goes on as before the machine's clock was set", "by", d, "err", err)
			pause = followAgain
		}
	}
}

// follow moves what waits and then the clock, before the commit: whoever comes
// next to the one writer sees both.
func (s *steady) follow(ctx context.Context, store *db.Store, d time.Duration) error {
	moved := false
	err := store.InTx(ctx, func(tx *db.Tx) error {
		if err := tx.ShiftTimers(ctx, d.Milliseconds()); err != nil {
			return err
		}
		if !moved {
			s.shift(d)
			moved = true
		}
		return nil
	})
	if err == nil {
		return nil
	}
	if moved {
		s.shift(-d)
	}
	return fmt.Errorf("follow the machine's clock: %w", err)
}
