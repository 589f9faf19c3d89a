package ingest_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"

	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/topic"
)

// world is all that outlives a collector: its database, its series and what
// its edges have received. It keeps the contracts of the seams, fails where it
// is told to, and sees to it that no Receipt comes before its commit.
type world struct {
	t      *testing.T
	serial sync.Mutex // one transaction at a time

	mu        sync.Mutex
	tables    tables
	series    map[place]float64
	receipts  map[topic.Uplink][]envelope.Receipt
	groups    []int    // Envelopes' batches of each Append
	early     []string // Receipts that came before their commit
	refuse    func(ticket.Transition) error
	fault     func(point string) error // asked at each step; an error is a failure there
	publishes int
	clock     wrongClock
}

// wrongClock is a cloud's wall clock that somebody sets.
type wrongClock struct {
	clock.Clock
	off *atomic.Int64 // ms
}

func (c wrongClock) Now() time.Time {
	return c.Clock.Now().Add(time.Duration(c.off.Load()) * time.Millisecond)
}

// tables are what a transaction changes.
type tables struct {
	ledger      map[ingest.LogID]envelope.RangeSet
	transitions map[string]int // by ID: how often it took effect
	order       []string       // IDs in the order they took effect
	behind      []string       // IDs that came with more of their log to follow
	events      map[string]int
	gaps        map[string]bool
	sessions    map[string]string // predecessor: session
	moves       map[ingest.BootID][]ingest.ClockMove
	days        map[string]ingest.ClockDay // by device
}

type place struct {
	estate, edge, device, metric string
	at                           int64
}

func newWorld(t *testing.T) *world {
	return &world{
		t: t, clock: wrongClock{clock.NewSystem(), new(atomic.Int64)}, series: map[place]float64{}, receipts: map[topic.Uplink][]envelope.Receipt{},
		tables: tables{
			ledger: map[ingest.LogID]envelope.RangeSet{}, transitions: map[string]int{},
			events: map[string]int{}, gaps: map[string]bool{}, sessions: map[string]string{},
			moves: map[ingest.BootID][]ingest.ClockMove{}, days: map[string]ingest.ClockDay{},
		},
	}
}

func (t tables) clone() tables {
	return tables{
		maps.Clone(t.ledger), maps.Clone(t.transitions), slices.Clone(t.order), slices.Clone(t.behind),
		maps.Clone(t.events), maps.Clone(t.gaps), maps.Clone(t.sessions),
		maps.Clone(t.moves), maps.Clone(t.days),
	}
}

func (w *world) at(point string) error {
	w.mu.Lock()
	f := w.fault
	w.mu.Unlock()
	if f == nil {
		return nil
	}
	return f(point)
}

// inTx works on a copy and makes it the truth if f and the commit succeed.
func (w *world) inTx(ctx context.Context, f func(ingest.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := w.at("begin"); err != nil {
		return err
	}
	w.serial.Lock()
	defer w.serial.Unlock()
	w.mu.Lock()
	tx := &memoryTx{w: w, tables: w.tables.clone()}
	w.mu.Unlock()
	if err := f(tx); err != nil {
		return err
	}
	if err := w.at("commit"); err != nil {
		return err
	}
	w.mu.Lock()
	w.tables = tx.tables
	w.mu.Unlock()
	return w.at("committed") // the answer of the database may get lost
}

type memoryTx struct {
	w *world
	tables
}

func (tx *memoryTx) Settled(_ context.Context, id ingest.LogID) (envelope.RangeSet, error) {
	return tx.ledger[id], tx.w.at("settled")
}

func (tx *memoryTx) MarkSettled(_ context.Context, id ingest.LogID, rs []envelope.Range) error {
	tx.ledger[id] = tx.ledger[id].AddAll(rs)
	return tx.w.at("mark")
}

func (tx *memoryTx) ApplyTransitions(_ context.Context, _, _ string, behind bool, ts []ticket.Transition) error {
	for _, t := range ts {
		if tx.w.refuse != nil {
			if err := tx.w.refuse(t); err != nil {
				return err
			}
		}
		if tx.transitions[t.ID] == 0 {
			tx.transitions[t.ID]++
			tx.order = append(tx.order, t.ID)
			if behind {
				tx.behind = append(tx.behind, t.ID)
			}
		}
	}
	return tx.w.at("apply")
}

func (tx *memoryTx) SaveEvents(_ context.Context, _, _ string, _ int64, es []telemetry.Event) error {
	for _, e := range es {
		tx.events[fmt.Sprint(e.Device, e.Name, e.AtMS)] = 1
	}
	return tx.w.at("events")
}

func (tx *memoryTx) SaveGaps(_ context.Context, id ingest.LogID, gs []envelope.Gap) error {
	for _, g := range gs {
		tx.gaps[fmt.Sprint(id.Edge, " ", g.First, "-", g.Last, " ", g.Reason)] = true
	}
	return nil
}

func (tx *memoryTx) ClockMoves(_ context.Context, id ingest.BootID) ([]ingest.ClockMove, error) {
	return tx.moves[id], tx.w.at("moves")
}

func (tx *memoryTx) SaveClockMove(_ context.Context, id ingest.BootID, n int, m ingest.ClockMove) error {
	if len(tx.moves[id]) != n {
		tx.w.t.Errorf("decision %d after %d", n, len(tx.moves[id]))
	}
	tx.moves[id] = append(slices.Clone(tx.moves[id]), m)
	return nil
}

func (tx *memoryTx) AddClockDays(_ context.Context, days []ingest.ClockDay) error {
	for _, d := range days {
		d.Samples += tx.days[d.Device].Samples
		tx.days[d.Device] = d
	}
	return nil
}

func (tx *memoryTx) SaveHello(_ context.Context, h envelope.Hello, _ int64) error {
	if other, ok := tx.sessions[h.Previous]; ok && other != h.Session {
		return ingest.ErrClone
	}
	tx.sessions[h.Previous] = h.Session
	return nil
}

// Append implements ingest.Appender.
func (w *world) Append(ctx context.Context, batches []series.Batch) (series.Tally, error) {
	if err := w.at("append"); err != nil {
		return series.Tally{}, err
	}
	w.mu.Lock()
	var tally series.Tally
	for _, b := range batches {
		for _, s := range b.Samples {
			w.series[place{b.Estate, b.Edge, s.Key.Device, s.Key.Metric, s.AtMS}] = s.Value
			tally.Stored++
		}
	}
	w.groups = append(w.groups, len(batches))
	w.mu.Unlock()
	return tally, errors.Join(ctx.Err(), w.at("appended"))
}

// Range implements ingest.Reader for one raw sample.
func (w *world) Range(_ context.Context, sel series.Selector, fromMS, _, _ int64) ([]series.Point, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	v, ok := w.series[place{sel.Estate, sel.Edge, sel.Device, sel.Metric, fromMS}]
	if !ok {
		return nil, nil
	}
	return []series.Point{{AtMS: fromMS, Min: v, Mean: v, Max: v}}, nil
}

// Publish implements ingest.Publisher.
func (w *world) Publish(_ context.Context, name string, payload []byte, retain bool) error {
	if err := w.at("publish"); err != nil {
		return err
	}
	to, leaf, err := topic.ParseUplink(name)
	if err != nil || leaf != topic.DownReceipt || retain {
		w.t.Errorf("published to %s, retained %v: %v", name, retain, err)
		return nil
	}
	r, err := envelope.DecodeReceipt(payload)
	if err != nil {
		w.t.Error(err)
		return nil
	}
	w.mu.Lock()
	w.publishes++
	if r.Reason != "bad_sequences" && !w.tables.ledger[ingest.LogID{Estate: to.Estate, Edge: to.Edge, Epoch: r.Epoch, Log: r.Log}].ContainsAll(r.Sequences) {
		w.early = append(w.early, fmt.Sprint(r))
	}
	w.receipts[to] = append(w.receipts[to], r)
	w.mu.Unlock()
	return w.at("published")
}

// collector is one life of the collector.
type collector struct {
	*ingest.Ingest
	latest  *series.Latest
	metrics *prometheus.Registry
	stop    func()
}

func (w *world) start() *collector {
	w.t.Helper()
	c := &collector{latest: series.NewLatest(), metrics: prometheus.NewRegistry()}
	c.Ingest = ingest.New(ingest.Options{
		InTx: w.inTx, Series: w, Stored: w, Latest: c.latest, Publisher: w, Clock: w.clock,
		Log: slog.New(slog.DiscardHandler), Metrics: c.metrics,
	})
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	c.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Error(err)
		}
	}
	return c
}

// count reads one of the collector's counters.
func (c *collector) count(t *testing.T, name, lane, result string) int {
	t.Helper()
	all, err := c.metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range all {
		if f.GetName() != name {
			continue
		}
		for _, m := range f.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if labels["lane"] == lane && labels["result"] == result {
				n += int(m.GetCounter().GetValue())
			}
		}
	}
	return n
}

var garden = topic.Uplink{Estate: "garden", Edge: "garden-1"}

const now = int64(946_684_800_000) // synctest's midnight

func samplesOf(from topic.Uplink, first, last envelope.Sequence) envelope.Envelope {
	e := envelope.Envelope{
		Schema: 1, Estate: from.Estate, Edge: from.Edge, Epoch: "e1", Log: envelope.Samples, Lane: envelope.LaneLive,
		Sequences: []envelope.Range{{First: first, Last: last}}, Head: last,
	}
	for s := first; s <= last; s++ {
		e.Samples = append(e.Samples, telemetry.Sample{
			Key:  telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "motor_temp"},
			AtMS: now - 1_000_000 + int64(s)*1000, Value: float64(s),
		})
		e.Events = append(e.Events, telemetry.Event{Device: "gate-1", Kind: "access-gate", Name: "opened", AtMS: int64(s)})
	}
	return e
}

func alarmOf(from topic.Uplink, first, last envelope.Sequence) envelope.Envelope {
	e := envelope.Envelope{
		Schema: 1, Estate: from.Estate, Edge: from.Edge, Epoch: "e1", Log: envelope.Alarm, Lane: envelope.LaneAlarm,
		Sequences: []envelope.Range{{First: first, Last: last}}, Head: last,
	}
	for s := first; s <= last; s++ {
		e.Transitions = append(e.Transitions, ticket.Transition{
			ID: fmt.Sprintf("%s-%d", from.Edge, s), Ticket: "t1", Kind: ticket.Occur, AtMS: int64(s),
			By: ticket.Actor{Kind: ticket.ByRule},
		})
	}
	return e
}

// send is what the broker does with an Envelope.
func (w *world) send(c *collector, e envelope.Envelope) error {
	b, err := envelope.Encode(e)
	if err != nil {
		w.t.Fatal(err)
	}
	return c.Receive(w.t.Context(), topic.Uplink{Estate: e.Estate, Edge: e.Edge}.Up(string(e.Lane)), b)
}

func (w *world) mustSend(c *collector, e envelope.Envelope) {
	w.t.Helper()
	if err := w.send(c, e); err != nil {
		w.t.Fatal(err)
	}
}

// settled is what an edge may forget of a log.
func (w *world) settled(from topic.Uplink, log envelope.Log) (s envelope.RangeSet) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.receipts[from] {
		if r.Log == log {
			s = s.AddAll(r.Sequences)
		}
	}
	return s
}

// TestMain makes the shared coders outside of any synctest bubble: what is made
// inside one may not be used by the others.
func TestMain(m *testing.M) {
	b, err := envelope.Encode(samplesOf(garden, 1, 1))
	if err == nil {
		_, err = envelope.Decode(b)
	}
	if err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}
