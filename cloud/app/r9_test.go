package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/topic"
)

// Row R9: Receipts get lost, batches are replayed, reordered, cut anew and
// mixed with those of a copied outbox, while the collector dies between its
// steps. Every effect is there once; what an edge may forget is on disk.
func TestChaosR9(t *testing.T) {
	r := row.Begin(t, "R9", "lost receipts, replays, reordering, clones")
	dbtest.Each(t, func(t *testing.T, d *dbtest.Database) {
		batches, seed := r.N(240, 9000), 0 // the same in every short run
		if r.Full() {
			seed = 3
		}
		if d.Engine == "postgres" {
			batches, seed = r.N(60, 1000), 1
		}
		w := newReplayWorld(t, r, d, seed)
		for w.sent < batches {
			w.live(batches)
		}
		w.settleAll()
		w.judge()
	})
}

// replayWorld is one database, the edges that talk to it, and what they know.
type replayWorld struct {
	t    *testing.T
	row  *row.Row
	rng  *rand.Rand
	site *site
	sent int
	wire []wired // what went over the wire lately, to be replayed

	mu     sync.Mutex
	edges  []*deafEdge
	ghosts []*deafEdge // refused copies
	store  *db.Store
	pages  map[string]map[string]bool // ticket, step, person: page ids
	heard  chan struct{}
}

type wired struct {
	topic   string
	payload []byte
}

const replayTown = `
estates:
  - {id: sunrise, name: 阳光花园, edges: [{id: s1}, {id: s2}]}
  - {id: heping, name: 和平里, edges: [{id: h3}]}
staff:
  - {id: wang-fang, name: 王芳, estate: sunrise, post: desk, channels: [{kind: webhook, url: "PAGER", secret: s3cret}]}
  - {id: zhao-lei, name: 赵磊, estate: heping, post: desk, channels: [{kind: webhook, url: "PAGER", secret: s3cret}]}
`

func newReplayWorld(t *testing.T, r *row.Row, d *dbtest.Database, seed int) *replayWorld {
	t.Helper()
	w := &replayWorld{t: t, row: r, rng: r.Rand(seed), pages: map[string]map[string]bool{}, heard: make(chan struct{}, 1)}
	pager := httptest.NewServer(http.HandlerFunc(w.page))
	t.Cleanup(pager.Close)
	w.site = newSite(t)
	if d.Options.URL != "" {
		w.site.configure(fmt.Sprintf("database: {url: %q}\n", d.Options.URL))
	}
	w.site.do(func(ctx context.Context, a *Admin) error {
		_, err := a.Import(ctx, ImportRequest{File: "town.yaml", Text: strings.ReplaceAll(replayTown, "PAGER", pager.URL)})
		return err
	})
	for _, u := range []topic.Uplink{{Estate: "sunrise", Edge: "s1"}, {Estate: "sunrise", Edge: "s2"}, {Estate: "heping", Edge: "h3"}} {
		w.edges = append(w.edges, newDeafEdge(u, w.rng))
	}
	return w
}

// page is the pager.
func (w *replayWorld) page(_ http.ResponseWriter, r *http.Request) {
	var body struct {
		ID, To string
		Step   int
		Ticket struct{ ID, Fault string }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		w.row.Violation("a page that cannot be read: %v", err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key := fmt.Sprint(body.Ticket.ID, " step ", body.Step, " to ", body.To)
	if w.pages[key] == nil {
		w.pages[key] = map[string]bool{}
	}
	w.pages[key][body.ID] = true
}

// Publish implements ingest.Publisher: a Receipt must speak of what is
// committed, and then it reaches its edge or not.
func (w *replayWorld) Publish(ctx context.Context, name string, payload []byte, _ bool) error {
	to, _, err := topic.ParseUplink(name)
	if err != nil {
		return err
	}
	r, err := envelope.DecodeReceipt(payload)
	if err != nil {
		return err
	}
	settled, err := w.store.Read().Settled(ctx, db.LogID{Estate: to.Estate, Edge: to.Edge, Epoch: r.Epoch, Log: r.Log})
	if err == nil && !settled.ContainsAll(r.Sequences) {
		w.row.Violation("%s/%s: a receipt for %v before its commit", to.Estate, to.Edge, r.Sequences)
	}
	if r.Verdict != envelope.Stored {
		w.row.Violation("%s/%s: %v rejected: %s", to.Estate, to.Edge, r.Sequences, r.Reason)
	}
	w.mu.Lock()
	for _, e := range w.edges {
		if e.Uplink == to {
			e.hear(r)
		}
	}
	w.mu.Unlock()
	w.row.Count("receipts", 1)
	select {
	case w.heard <- struct{}{}:
	default:
	}
	return err
}

// live is one life of the collector; it ends without grace.
func (w *replayWorld) live(batches int) {
	c, stop := w.site.run()
	defer stop()
	w.store = c.store
	in := w.ingest(c)
	ctx, kill := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = in.Run(ctx) }()
	w.greetAll(ctx, in)
	for until := min(batches, w.sent+60+w.rng.IntN(60)); w.sent < until; {
		w.burst(ctx, in)
		w.site.clock.Advance(200 * time.Millisecond)
		w.pause(c)
	}
	kill()
	<-done
	w.row.Count("restarts", 1)
}

func (w *replayWorld) ingest(c *cloud) *ingest.Ingest {
	return ingest.New(ingest.Options{
		InTx: inTx(c.store, c.desk), Series: c.standby, Latest: c.latest, Publisher: w, Clock: w.site.clock,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Heard: c.liveness.hear,
	})
}

// pause lets the collector get on: until it says something, or for a moment.
func (w *replayWorld) pause(c *cloud) {
	for !c.standby.Ready() {
		tick(w.t, time.Millisecond, nil)
	}
	tick(w.t, 3*time.Millisecond, w.heard)
}

func tick(t *testing.T, d time.Duration, or <-chan struct{}) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-or:
	case <-t.Context().Done():
	}
}

// burst sends a handful of messages, new ones, old ones and copies, in any
// order.
func (w *replayWorld) burst(ctx context.Context, in *ingest.Ingest) {
	w.mu.Lock()
	e := w.edges[w.rng.IntN(len(w.edges))]
	log := envelope.Samples
	if w.rng.IntN(3) == 0 {
		log = envelope.Alarm
	}
	for range w.rng.IntN(6) {
		e.record(log, false)
	}
	var out []wired
	for range 1 + w.rng.IntN(5) {
		if x, ok := e.batch(log); ok {
			out = append(out, w.encode(x))
		}
	}
	if w.rng.IntN(8) == 0 {
		for _, x := range e.forget(log) {
			out = append(out, w.encode(x))
		}
		w.row.Count("disks_full", 1)
	}
	for range w.rng.IntN(4) {
		if len(w.wire) > 0 {
			out = append(out, w.wire[w.rng.IntN(len(w.wire))])
			w.row.Count("replays", 1)
		}
	}
	w.mu.Unlock()
	w.rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	for _, m := range out {
		w.send(ctx, in, m)
	}
	if w.rng.IntN(20) == 0 {
		w.cloned(ctx, in, e)
	}
}

func (w *replayWorld) encode(x envelope.Envelope) wired {
	b, err := envelope.Encode(x)
	if err != nil {
		w.t.Fatal(err)
	}
	return wired{topic.Uplink{Estate: x.Estate, Edge: x.Edge}.Up(string(x.Lane)), b}
}

const remembered = 400

func (w *replayWorld) send(ctx context.Context, in *ingest.Ingest, m wired) {
	if err := in.Receive(ctx, m.topic, m.payload); err != nil && !errors.Is(err, ingest.ErrBusy) {
		w.row.Violation("%s: %v", m.topic, err)
	}
	w.sent++
	w.row.Count("batches", 1)
	if len(w.wire) < remembered {
		w.wire = append(w.wire, m)
	} else {
		w.wire[w.rng.IntN(remembered)] = m
	}
}

// settleAll sends until every edge has heard of everything.
func (w *replayWorld) settleAll() {
	c, stop := w.site.run()
	w.t.Cleanup(stop)
	w.store = c.store
	in := w.ingest(c)
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = in.Run(ctx) }()
	defer func() { cancel(); <-done }()
	w.greetAll(ctx, in)
	for began := time.Now(); !w.settled(); {
		if time.Since(began) > 2*time.Minute {
			w.row.Violation("edges still wait for receipts")
			return
		}
		for _, e := range w.edges {
			for _, log := range []envelope.Log{envelope.Alarm, envelope.Samples} {
				w.mu.Lock()
				x, ok := e.batch(log)
				w.mu.Unlock()
				if ok {
					w.send(ctx, in, w.encode(x))
				}
			}
		}
		w.site.clock.Advance(100 * time.Millisecond)
		w.pause(c)
	}
	w.drainPages()
	w.judgeSeries(c)
}

func (w *replayWorld) settled() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, e := range w.edges {
		for _, l := range e.logs {
			if len(l.open) > 0 {
				return false
			}
		}
	}
	return true
}

// drainPages waits until what should be paged is.
func (w *replayWorld) drainPages() {
	for began := time.Now(); time.Since(began) < time.Minute; {
		if len(w.unpaged()) == 0 {
			return
		}
		w.site.clock.Advance(100 * time.Millisecond)
		tick(w.t, 2*time.Millisecond, nil)
	}
	w.row.Violation("never paged: %v", w.unpaged())
}

// unpaged are tickets that never cleared and that nobody heard of.
func (w *replayWorld) unpaged() (out []ticket.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	told := map[string]bool{}
	for key := range w.pages {
		told[strings.Fields(key)[0]] = true
	}
	for _, e := range w.edges {
		for _, x := range e.conditions {
			if !x.cleared && !told[string(x.ticket)] {
				out = append(out, x.ticket)
			}
		}
	}
	return out
}
