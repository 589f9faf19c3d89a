package app

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/cloud/internal/dispatch"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/cloud/internal/notify"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/ticket"
)

// Clocks that are set, drift, are smeared or lose their server while a ticket's
// ladder is climbed by the real desk, dispatch, agenda and database, also while
// the collector is down. Time is virtual: the monotonic clock is the harness's.
func TestChaosR12(t *testing.T) {
	r := row.Begin(t, "R12", "clock jumps under a ladder")
	empty := emptyDatabase(t)
	n, jumps := r.N(8, 160), 0
	for i := range n {
		rng := r.Rand(i)
		options := db.Options{DataDir: copied(t, empty)}
		jumps += climbed(t, r, fmt.Sprintf("history %d, seed %d", i, r.Seed(i)), rng, options, i%5 == 4)
		_ = os.RemoveAll(options.DataDir)
	}
	r.Count("histories", n)
	r.Count("jumps", jumps)
}

// The same on PostgreSQL, whose times are ours too.
func TestChaosR12Postgres(t *testing.T) {
	r := row.Begin(t, "R12-postgres", "clock jumps under a ladder, on PostgreSQL")
	n, jumps := r.N(1, 20), 0
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		if d.Engine != "postgres" {
			return
		}
		for i := range n {
			jumps += climbed(t, r, fmt.Sprintf("history %d, seed %d", i, r.Seed(i)), r.Rand(i), d.Options, i%5 == 4)
		}
		r.Count("jumps", jumps)
	})
}

func emptyDatabase(t *testing.T) string {
	dir := t.TempDir()
	s, err := db.Open(t.Context(), db.Options{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, db.FileName)
}

func copied(t *testing.T, file string) string {
	dir := t.TempDir()
	if err := copyFile(filepath.Join(dir, db.FileName), file); err != nil {
		t.Fatal(err)
	}
	return dir
}

// wall is a machine's clock: right by the bubble's time, off by what is set.
type wall struct {
	clock.Clock
	mu  sync.Mutex
	off time.Duration
	// drift is how much faster it runs since, as a share; a smear or a lost
	// server.
	drift float64
	since time.Duration
}

func (w *wall) Now() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	mono := w.Mono()
	return start.Add(mono + w.off + time.Duration(w.drift*float64(mono-w.since)))
}

func (w *wall) jump(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.off += d
}

func (w *wall) runs(drift float64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	mono := w.Mono()
	w.off += time.Duration(w.drift * float64(mono-w.since))
	w.drift, w.since = drift, mono
}

// tower is one ticket's paging. Pages are told by the harness's clock.
type tower struct {
	t       *testing.T
	wall    *wall
	options db.Options
	id      ticket.ID

	mu    sync.Mutex
	pages []climbedPage
	// stop ends what runs.
	stop func()
}

type climbedPage struct {
	at  time.Duration
	who string
}

var rungs = []time.Duration{0, 20 * time.Second, 70 * time.Second, 3 * time.Minute, 5 * time.Minute}

// climbed plays one history and returns its jumps. Where the collector runs
// through, each page comes within a second of its time; where it was down, each
// comes once.
func climbed(t *testing.T, r *row.Row, name string, rng *rand.Rand, o db.Options, restarts bool) (jumps int) {
	synctest.Test(t, func(t *testing.T) {
		w := &tower{t: t, wall: &wall{Clock: clock.NewSystem()}, options: o, id: ticket.NewID(start)}
		w.raise(rng)
		w.begin()
		began := w.wall.Mono()
		for w.wall.Mono()-began < 6*time.Minute {
			time.Sleep(time.Duration(rng.Int64N(int64(2 * time.Minute)))) //nolint:forbidigo // virtual
			if jumps++; restarts && jumps == 1 {
				w.end()
				w.upset(rng)
				w.begin()
				continue
			}
			w.upset(rng)
		}
		time.Sleep(6 * time.Minute) //nolint:forbidigo // virtual
		w.end()
		w.judge(r, name, began, restarts)
	})
	return jumps
}

// upset does one thing to the machine's clock.
func (w *tower) upset(rng *rand.Rand) {
	far := time.Duration(rng.Int64N(int64(30 * 24 * time.Hour)))
	switch rng.IntN(7) {
	case 0:
		w.wall.jump(far)
	case 1:
		w.wall.jump(-far)
	case 2:
		w.wall.jump(time.Second) // a leap second
	case 3:
		w.wall.jump(-time.Second)
	case 4: // daylight saving set by hand
		w.wall.jump([]time.Duration{time.Hour, -time.Hour}[rng.IntN(2)])
	case 5: // a smear: a second within a day
		w.wall.runs(1.0 / 86_400)
	case 6: // no server: 200 ppm either way
		w.wall.runs((rng.Float64() - 0.5) * 4e-4)
	}
}

func (w *tower) begin() {
	c := newSteady(w.wall)
	w.options.NowMS = func() int64 { return clock.NowMS(c) }
	store, err := db.Open(w.t.Context(), w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(w.t.Context())
	var parts sync.WaitGroup
	jobs := dispatch.New(dispatch.Options{
		Store: paging{store}, Clock: c, Notifiers: map[string]notify.Notifier{"webhook": w},
		Render: func(context.Context, ticket.Ticket) (json.RawMessage, error) { return json.RawMessage("{}"), nil },
		AckURL: func(context.Context, routing.Delivery) (string, error) { return "https://x", nil },
	}).Jobs()
	runner := agenda.New(agenda.Options{Store: store.Agenda(), Clock: c, Jobs: jobs, Poll: 5 * time.Second})
	store.Watch(func(x db.Committed) {
		if x.DueMS != 0 {
			runner.Wake(x.DueMS)
		}
	})
	if err := store.InTx(ctx, func(tx *db.Tx) error { return reroute(ctx, tx, "") }); err != nil {
		w.t.Fatal(err)
	}
	parts.Go(func() { _ = runner.Run(ctx) })
	parts.Go(func() { c.run(ctx, store, slog.New(slog.DiscardHandler)) })
	w.stop = func() {
		cancel()
		parts.Wait()
		if err := store.Close(); err != nil {
			w.t.Error(err)
		}
	}
}

func (w *tower) estate() string { return "e" + string(w.id) }

func (w *tower) end() { w.stop() }

// raise makes the people, the ladder and the ticket.
func (w *tower) raise(rng *rand.Rand) {
	c := newSteady(w.wall)
	w.options.NowMS = func() int64 { return clock.NowMS(c) }
	store, err := db.Open(w.t.Context(), w.options)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	estate := w.estate()
	d := desk.New(desk.Options{Clocks: desk.DefaultClocks(), Route: dispatch.RouteItem})
	err = store.InTx(w.t.Context(), func(tx *db.Tx) error {
		if err := tx.SaveEstate(w.t.Context(), fleet.Estate{ID: estate, Name: estate, Timezone: "Europe/Berlin"}); err != nil {
			return err
		}
		p := routing.Policy{ID: "p", Estate: estate}
		for i, after := range rungs {
			id := fmt.Sprint("p", i)
			p.Steps = append(p.Steps, routing.Step{To: "staff:" + id, After: after})
			if err := tx.SaveStaff(w.t.Context(), duty.Staff{
				ID: id, Name: id, Estate: estate, Channels: []duty.Channel{{Kind: "webhook", URL: "http://" + id}},
			}); err != nil {
				return err
			}
		}
		if err := tx.SavePolicy(w.t.Context(), p); err != nil {
			return err
		}
		_, err := d.Raise(w.t.Context(), tx, w.id, ticket.Subject{
			Estate: estate, Device: fmt.Sprint("d", rng.Uint64()), Rule: "r", Fault: ticket.DoorForced, Severity: ticket.Major,
		}, tx.NowMS(), ticket.Actor{Kind: ticket.BySystem}, "")
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// Send implements notify.Notifier.
func (w *tower) Send(_ context.Context, m notify.Message) notify.Outcome {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m.Estate != w.estate() { // of a history before, in the same database
		return notify.Outcome{State: routing.Accepted}
	}
	w.pages = append(w.pages, climbedPage{w.wall.Mono(), m.To})
	return notify.Outcome{State: routing.Accepted}
}

func (w *tower) judge(r *row.Row, name string, began time.Duration, restarted bool) {
	var who []string
	for i, p := range w.pages {
		who = append(who, p.who)
		if late := p.at - began; !restarted && i < len(rungs) {
			off := (late - rungs[i]).Abs()
			r.Observe("error_ms", float64(off.Milliseconds()))
			if off > time.Second {
				r.Violation("%s: %s was paged %s after the raise, due after %s", name, p.who, late, rungs[i])
			}
		}
	}
	if want := []string{"p0", "p1", "p2", "p3", "p4"}; !slices.Equal(who, want) {
		r.Violation("%s: paged %v, want each of %v once (restarted: %v)", name, who, want, restarted)
	}
}
