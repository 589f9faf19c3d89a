package app

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/topic"
)

// Row R21, the restore drill: while 500 samples and five alarms a second come
// in, back up, restore into an empty directory, and serve from there. All that
// was acknowledged before the backup was asked for is there.
func TestChaosR21(t *testing.T) {
	r := row.Begin(t, "R21", "restore drill under load")
	w := newDrill(t, r)
	began := time.Now()
	stop := w.load()
	n := r.N(2, 100)
	for i := range n {
		w.drill(i)
	}
	stop()
	r.Count("drills", n)
	r.Load(drillRate, float64(w.sent.Load())/time.Since(began).Seconds())
}

const (
	drillEvery = 50 * time.Millisecond
	drillBatch = 25
	drillRate  = float64(drillBatch) / 0.05
	// Samples lie a millisecond apart, from half an hour ago; every third
	// Record is five days late.
	drillBeforeMS = 1800_000
	drillLateMS   = 5 * 24 * 3600_000
	drillPieceMS  = 200_000
)

// drill is a collector under load and what it has acknowledged.
type drill struct {
	t     *testing.T
	row   *row.Row
	site  *site
	cloud *cloud
	up    topic.Uplink
	sent  atomic.Int64

	mu    sync.Mutex
	acked map[envelope.Log]envelope.RangeSet
	paged map[string]bool
	next  map[envelope.Log]envelope.Sequence
}

func newDrill(t *testing.T, r *row.Row) *drill {
	w := &drill{
		t: t, row: r, site: newSite(t), up: topic.Uplink{Estate: "sunrise", Edge: "s1"},
		acked: map[envelope.Log]envelope.RangeSet{}, paged: map[string]bool{}, next: map[envelope.Log]envelope.Sequence{},
	}
	pager := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.paged[r.Header.Get("Idempotency-Key")] = true
	}))
	t.Cleanup(pager.Close)
	w.cloud, _ = w.site.run()
	w.site.do(func(ctx context.Context, a *Admin) error {
		_, err := a.Import(ctx, ImportRequest{File: "town.yaml", Text: strings.Replace(town, "PAGER", pager.URL, 1)})
		return err
	})
	return w
}

// Publish implements ingest.Publisher.
func (w *drill) Publish(_ context.Context, _ string, payload []byte, _ bool) error {
	r, err := envelope.DecodeReceipt(payload)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, x := range r.Sequences {
		w.acked[r.Log] = w.acked[r.Log].Add(x)
	}
	return nil
}

func (w *drill) ingest(c *cloud, p ingest.Publisher) *ingest.Ingest {
	return ingest.New(ingest.Options{
		InTx: inTx(c.store, c.desk), Series: c.standby, Latest: c.latest, Publisher: p, Clock: w.site.clock,
		Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(), Heard: c.liveness.hear,
	})
}

// load sends at a steady pace until it is stopped; it starts when the series
// are open.
func (w *drill) load() (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	in := w.ingest(w.cloud, w)
	var parts sync.WaitGroup
	parts.Go(func() { _ = in.Run(ctx) })
	for !w.cloud.standby.Ready() {
		tick(w.t, time.Millisecond, nil)
	}
	parts.Go(func() {
		pace := time.NewTicker(drillEvery)
		defer pace.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			w.send(ctx, in, envelope.Samples)
			if i%4 == 0 {
				w.send(ctx, in, envelope.Alarm)
			}
			select {
			case <-ctx.Done():
			case <-pace.C:
			}
		}
	})
	return func() { cancel(); parts.Wait() }
}

func (w *drill) send(ctx context.Context, in *ingest.Ingest, log envelope.Log) {
	w.mu.Lock()
	w.next[log]++
	seq := w.next[log]
	w.mu.Unlock()
	x := w.envelope(log, seq)
	b, err := envelope.Encode(x)
	if err != nil {
		w.t.Error(err)
		return
	}
	if err := in.Receive(ctx, w.up.Up(string(x.Lane)), b); err == nil {
		w.sent.Add(int64(len(x.Samples)))
	}
}

func (w *drill) envelope(log envelope.Log, seq envelope.Sequence) envelope.Envelope {
	x := envelope.Envelope{
		Schema: envelope.SchemaVersion, Estate: w.up.Estate, Edge: w.up.Edge, Epoch: "epoch", Log: log, Lane: envelope.LaneLive, Head: seq,
		Sequences: []envelope.Range{{First: seq, Last: seq}},
	}
	x.Origin = telemetry.Origin{Boot: "boot", MonoMS: int64(seq), EdgeMS: start.UnixMilli(), ClockTrusted: true}
	if log == envelope.Alarm {
		x.Lane, x.Transitions = envelope.LaneAlarm, []ticket.Transition{alarmed(seq)}
		return x
	}
	for at, v := range measured(seq) {
		x.Samples = append(x.Samples, telemetry.Sample{
			Key:  telemetry.SeriesKey{Device: "lift", Kind: "elevator", Metric: "motor_temp"},
			AtMS: at, DeviceMS: at, EdgeMS: at, Value: v,
		})
	}
	return x
}

// measured is what one Record holds: every third one is days old.
func measured(seq envelope.Sequence) map[int64]float64 {
	out := map[int64]float64{}
	from := start.UnixMilli() - drillBeforeMS
	if seq%3 == 0 {
		from -= drillLateMS
	}
	for i := range int64(drillBatch) {
		out[from+int64(seq)*drillBatch+i] = float64(seq)*100 + float64(i)
	}
	return out
}

func alarmed(seq envelope.Sequence) ticket.Transition {
	at := start.UnixMilli() + int64(seq)
	return ticket.Transition{
		ID: fmt.Sprint("x", seq), Ticket: ticketOfDrill(seq), Kind: ticket.Raise, AtMS: at, By: ticket.Actor{Kind: ticket.ByRule, ID: "r"},
		Stamp: ticket.Stamp{WallMS: at, Origin: "sunrise/s1", Number: uint64(seq)},
		Subject: &ticket.Subject{
			Device: fmt.Sprint("door-", seq), DeviceKind: "access-gate", Rule: "r", Metric: "forced",
			Fault: ticket.DoorForced, Severity: ticket.Major, Title: ticket.Title{Code: "door_forced"},
		},
	}
}

func ticketOfDrill(seq envelope.Sequence) ticket.ID { return ticket.ID(fmt.Sprint("t", seq)) }

// drill is one of them.
func (w *drill) drill(i int) {
	w.mu.Lock()
	acked, paged := maps.Clone(w.acked), maps.Clone(w.paged)
	w.mu.Unlock()
	began := time.Now()
	file := filepath.Join(w.site.dir, fmt.Sprintf("backup-%d.tar.gz", i))
	defer func() { _ = os.Remove(file) }()
	w.site.do(func(ctx context.Context, a *Admin) error { return only(a.Backup(ctx, BackupRequest{File: file})) })
	w.row.Observe("backup_ms", float64(time.Since(began).Milliseconds()))

	began = time.Now()
	other := newSite(w.t)
	other.clock = w.site.clock
	defer func() { _ = os.RemoveAll(other.dir) }()
	if err := Restore(w.t.Context(), other.options(), file); err != nil {
		w.row.Violation("drill %d: %v", i, err)
		return
	}
	c, stop := other.run()
	defer stop()
	for !c.standby.Ready() {
		tick(w.t, time.Millisecond, nil)
	}
	w.row.Observe("restore_ms", float64(time.Since(began).Milliseconds()))
	w.judge(i, c, acked, paged)
	w.goesOn(i, c)
}

func (w *drill) judge(i int, c *cloud, acked map[envelope.Log]envelope.RangeSet, paged map[string]bool) {
	ctx := w.t.Context()
	if err := c.store.Check(ctx); err != nil {
		w.row.Violation("drill %d: %v", i, err)
	}
	held := w.held(c)
	for log, set := range acked {
		id := db.LogID{Estate: "sunrise", Edge: "s1", Epoch: "epoch", Log: log}
		settled, err := c.store.Read().Settled(ctx, id)
		if err != nil || !settled.ContainsAll(set) {
			w.row.Violation("drill %d: the ledger of %s lacks some of %v: %v, %v", i, log, set, settled, err)
		}
		w.judgeLog(i, c, log, settled, held)
	}
	for key := range paged {
		if d, ok, err := c.store.Read().Delivery(ctx, "sunrise", key); err != nil || !ok || len(d.Attempts) == 0 {
			w.row.Violation("drill %d: page %s was not restored: %v, %v", i, key, d, err)
		}
	}
	w.row.Count("acked records checked", len(held)/drillBatch)
	w.row.Count("pages checked", len(paged))
}

// held reads all samples, in pieces that the store gives out.
func (w *drill) held(c *cloud) map[int64]float64 {
	held := map[int64]float64{}
	for _, late := range []int64{0, drillLateMS} {
		for from := start.UnixMilli() - drillBeforeMS - late; from < start.UnixMilli()-late+drillBeforeMS; from += drillPieceMS {
			points, err := c.standby.Range(w.t.Context(), series.Selector{Estate: "sunrise", Device: "lift", Metric: "motor_temp"}, from, from+drillPieceMS, 0)
			if err != nil {
				w.t.Fatal(err)
			}
			for _, p := range points {
				held[p.AtMS] = p.Mean
			}
		}
	}
	return held
}

// judgeLog: all that the restored ledger calls settled is there, not only what
// was acknowledged.
func (w *drill) judgeLog(i int, c *cloud, log envelope.Log, settled envelope.RangeSet, held map[int64]float64) {
	for _, r := range settled {
		for seq := r.First; seq <= r.Last; seq++ {
			if log == envelope.Alarm {
				_, ok, err := c.store.Read().TicketRow(w.t.Context(), "sunrise", ticketOfDrill(seq))
				if err := errorsOr(err, c.store.Read().VerifyAudit(w.t.Context(), "sunrise", string(ticketOfDrill(seq)))); !ok || err != nil {
					w.row.Violation("drill %d: ticket of %d: %v, %v", i, seq, ok, err)
				}
				continue
			}
			for at, v := range measured(seq) {
				if got, ok := held[at]; !ok || got != v {
					w.row.Violation("drill %d: record %d is settled, its sample at %d is %v, %v", i, seq, at, got, ok)
					return
				}
			}
		}
	}
}

func errorsOr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// goesOn: what is restored takes samples again.
func (w *drill) goesOn(i int, c *cloud) {
	heard := make(hearing, 1)
	in := w.ingest(c, heard)
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	var parts sync.WaitGroup
	parts.Go(func() { _ = in.Run(ctx) })
	w.send(ctx, in, envelope.Samples)
	select {
	case <-heard:
	case <-ctx.Done():
		w.row.Violation("drill %d: the restored collector acknowledges nothing", i)
	}
	cancel()
	parts.Wait()
}

// hearing is a Publisher that passes on that there was a Receipt.
type hearing chan struct{}

// Publish implements ingest.Publisher.
func (h hearing) Publish(context.Context, string, []byte, bool) error {
	select {
	case h <- struct{}{}:
	default:
	}
	return nil
}
