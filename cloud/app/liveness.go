package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/ticket"
)

const (
	// darkAfter is how long an edge may be away before its estate counts as
	// dark; the desk must know within 60 s.
	darkAfter = 45 * time.Second
	// lookEvery is how often silence is judged.
	lookEvery = 2 * time.Second
	// noteEvery bounds how often "last seen" of a healthy edge is written.
	noteEvery = 15 * time.Second
)

type edgeID struct{ estate, edge string }

// liveness knows which edges are there and makes a silent one a ticket.
type liveness struct {
	store *db.Store
	desk  *desk.Desk
	clock clock.Clock
	log   *slog.Logger

	mu sync.Mutex
	// watch judges; its SinceMS moves with the clock.
	watch fleet.Watch
	// here are the edges with a connection.
	here map[edgeID]bool
	// heard is the newest sign of life, in memory; noted is what the
	// database knows of it.
	heard, noted map[edgeID]int64
	// turned are those that came or went since the last look.
	turned map[edgeID]bool
	// dark are those with a ticket that this process raised or found.
	dark map[edgeID]bool
}

func newLiveness(store *db.Store, d *desk.Desk, c clock.Clock, log *slog.Logger) *liveness {
	return &liveness{
		store: store, desk: d, clock: c, log: log.With("component", "liveness"),
		watch: fleet.Watch{AfterMS: darkAfter.Milliseconds(), SinceMS: clock.NowMS(c)},
		here:  map[edgeID]bool{}, heard: map[edgeID]int64{}, noted: map[edgeID]int64{}, turned: map[edgeID]bool{}, dark: map[edgeID]bool{},
	}
}

// connected notes that an edge came or went. It does not block.
func (l *liveness) connected(id edgeID, online bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.here[id] = online
	l.heard[id] = clock.NowMS(l.clock)
	l.turned[id] = true
}

// hear notes a sign of life. It does not block.
func (l *liveness) hear(estate, edge string, atMS int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard[edgeID{estate, edge}] = atMS
}

// moved follows a shift of the clock: nobody was silent for longer by it.
func (l *liveness) moved(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch.SinceMS += d.Milliseconds()
	for id := range l.heard {
		l.heard[id] += d.Milliseconds()
	}
	clear(l.noted)
}

// Run judges until ctx ends.
func (l *liveness) Run(ctx context.Context) error {
	for clock.Wait(ctx, l.clock, lookEvery) == nil {
		if err := l.look(ctx); err != nil && ctx.Err() == nil {
			l.log.Error("judge silence", "err", err)
		}
	}
	return nil
}

func (l *liveness) look(ctx context.Context) error {
	if err := l.note(ctx); err != nil {
		return err
	}
	q := db.Page{Scope: access.Scope{AllEstates: true}, Limit: 1000}
	for {
		edges, next, err := l.store.Read().Edges(ctx, q)
		if err != nil {
			return err
		}
		l.overlay(edges)
		verdicts, _ := l.judge().Judge(edges, clock.NowMS(l.clock))
		for _, v := range verdicts {
			if err := l.act(ctx, v); err != nil {
				return err
			}
		}
		if next == "" {
			return nil
		}
		q.Cursor = next
	}
}

func (l *liveness) judge() fleet.Watch {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.watch
}

// overlay puts what memory knows over what the database does.
func (l *liveness) overlay(edges []fleet.Edge) {
	now := clock.NowMS(l.clock)
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range edges {
		id := edgeID{edges[i].Estate, edges[i].ID}
		edges[i].LastSeenMS = max(edges[i].LastSeenMS, l.heard[id])
		if l.here[id] {
			edges[i].LastSeenMS = now
		}
	}
}

// act raises or clears the ticket of one edge where its verdict changed.
func (l *liveness) act(ctx context.Context, v fleet.Silence) error {
	id := edgeID{v.Edge.Estate, v.Edge.ID}
	l.mu.Lock()
	before, known := l.dark[id]
	l.mu.Unlock()
	if known && before == v.Silent {
		return nil
	}
	// Not silent for long enough yet is no sign of life: what was dark when
	// the collector stopped stays dark until its edge is heard.
	if !known && !v.Silent && v.Edge.LastSeenMS < l.judge().SinceMS {
		return nil
	}
	by := ticket.Actor{Kind: ticket.BySystem, ID: fleet.SilentRule}
	chaos.At("liveness.ticket.before")
	err := l.store.InTx(ctx, func(tx *db.Tx) error {
		if v.Silent {
			_, err := l.desk.Raise(ctx, tx, "", v.Subject(), v.FromMS, by, "")
			// A killed collector left it marked as online.
			return errors.Join(err, tx.TouchEdge(ctx, id.estate, id.edge, v.Edge.LastSeenMS, false))
		}
		return l.desk.Clear(ctx, tx, v.Subject().Key(), clock.NowMS(l.clock), by)
	})
	if err != nil {
		return fmt.Errorf("change ticket of %s/%s: %w", id.estate, id.edge, err)
	}
	chaos.At("liveness.ticket.after")
	l.mu.Lock()
	l.dark[id] = v.Silent
	l.mu.Unlock()
	return nil
}

// note writes down who came, who went, and now and then who is still there.
func (l *liveness) note(ctx context.Context) error {
	now := clock.NowMS(l.clock)
	type line struct {
		id     edgeID
		atMS   int64
		online bool
	}
	var lines []line
	l.mu.Lock()
	for id, here := range l.here {
		at := l.heard[id]
		if here {
			at = now
		}
		if l.turned[id] || here && at-l.noted[id] >= noteEvery.Milliseconds() {
			lines = append(lines, line{id, at, here})
		}
	}
	l.mu.Unlock()
	if len(lines) == 0 {
		return nil
	}
	chaos.At("liveness.note.before")
	err := l.store.InTx(ctx, func(tx *db.Tx) error {
		for _, x := range lines {
			if err := tx.TouchEdge(ctx, x.id.estate, x.id.edge, x.atMS, x.online); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("note who is there: %w", err)
	}
	chaos.At("liveness.note.after")
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range lines {
		l.noted[x.id] = x.atMS
		if l.here[x.id] == x.online {
			delete(l.turned, x.id)
		}
	}
	return nil
}

// lastHeard returns when each edge that this process knows was heard last.
func (l *liveness) lastHeard() map[edgeID]int64 {
	now := clock.NowMS(l.clock)
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make(map[edgeID]int64, len(l.heard))
	for id, at := range l.heard {
		if l.here[id] {
			at = now
		}
		out[id] = at
	}
	return out
}
