package ingest_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/cloud/internal/series/embedded"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// The load: 20 edges of 50 devices with 20 points each, 20,000 series, one
// Envelope of 1,000 samples (one tick of all its points) at a time.
const (
	benchEdges   = 20
	benchDevices = 50
	benchPoints  = 20
	perEnvelope  = benchDevices * benchPoints
)

var noonMS = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC).UnixMilli()

func tick(edge, n int) envelope.Envelope {
	e := envelope.Envelope{
		Schema: 1, Estate: "garden", Edge: fmt.Sprintf("edge-%d", edge), Epoch: "e1", Log: envelope.Samples, Lane: envelope.LaneLive,
		Sequences: []envelope.Range{{First: envelope.Sequence(n + 1), Last: envelope.Sequence(n + 1)}},
	}
	for d := range benchDevices {
		for p := range benchPoints {
			e.Samples = append(e.Samples, telemetry.Sample{
				Key:  telemetry.SeriesKey{Device: fmt.Sprintf("lift-%d", d), Kind: "elevator", Metric: fmt.Sprintf("point_%d", p)},
				AtMS: noonMS + int64(n)*1000, EdgeMS: noonMS + int64(n)*1000, Value: float64((n*7+d*3+p)%1000) / 10,
			})
		}
	}
	return e
}

// ticks makes the payloads of n rounds beforehand: the edges' work is not ours.
func ticks(b *testing.B, n int) (payloads [][]byte, batches []series.Batch) {
	b.Helper()
	for i := range n {
		e := tick(i%benchEdges, i/benchEdges)
		p, err := envelope.Encode(e)
		if err != nil {
			b.Fatal(err)
		}
		payloads = append(payloads, p)
		batches = append(batches, series.Batch{Estate: e.Estate, Edge: e.Edge, Samples: e.Samples})
	}
	return payloads, batches
}

func openBench(b *testing.B) *embedded.Store {
	b.Helper()
	s, err := embedded.Open(b.Context(), embedded.Options{
		Dir: b.TempDir(), Retention: 400 * 24 * time.Hour, Log: slog.New(slog.DiscardHandler),
		Now: func() time.Time { return time.UnixMilli(noonMS).Add(time.Hour) },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return s
}

// countdown is a Publisher that knows how many Sequences are still unanswered.
type countdown struct {
	mu   sync.Mutex
	left int
	done chan struct{}
}

func (c *countdown) Publish(_ context.Context, _ string, payload []byte, _ bool) error {
	r, err := envelope.DecodeReceipt(payload)
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range r.Sequences {
		c.left -= int(x.Last - x.First + 1)
	}
	if c.left == 0 {
		close(c.done)
	}
	return nil
}

// openLedger is a Tx that keeps marks in memory.
type openLedger struct {
	mu    sync.Mutex
	marks map[ingest.LogID]envelope.RangeSet
}

func (l *openLedger) inTx(_ context.Context, f func(ingest.Tx) error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return f(l)
}

func (l *openLedger) Settled(_ context.Context, id ingest.LogID) (envelope.RangeSet, error) {
	return l.marks[id], nil
}

func (l *openLedger) MarkSettled(_ context.Context, id ingest.LogID, rs []envelope.Range) error {
	l.marks[id] = l.marks[id].AddAll(rs)
	return nil
}

func (l *openLedger) ApplyTransitions(context.Context, string, string, bool, []ticket.Transition) error {
	return nil
}

func (l *openLedger) SaveEvents(context.Context, string, string, int64, []telemetry.Event) error {
	return nil
}
func (l *openLedger) SaveGaps(context.Context, ingest.LogID, []envelope.Gap) error { return nil }
func (l *openLedger) SaveHello(context.Context, envelope.Hello, int64) error       { return nil }
func (l *openLedger) ClockMoves(context.Context, ingest.BootID) ([]ingest.ClockMove, error) {
	return nil, nil
}

func (l *openLedger) SaveClockMove(context.Context, ingest.BootID, int, ingest.ClockMove) error {
	return nil
}
func (l *openLedger) AddClockDays(context.Context, []ingest.ClockDay) error { return nil }

// BenchmarkIngest is the whole path: receive, decode, ledger, series with
// fsync, latest, Receipt. One op is an Envelope of 1,000 samples.
func BenchmarkIngest(b *testing.B) {
	payloads, _ := ticks(b, b.N)
	answered := &countdown{left: b.N, done: make(chan struct{})}
	in := ingest.New(ingest.Options{
		InTx: (&openLedger{marks: map[ingest.LogID]envelope.RangeSet{}}).inTx, Series: openBench(b), Latest: series.NewLatest(),
		Publisher: answered, Clock: clock.NewFake(time.UnixMilli(noonMS).Add(time.Hour)), Log: slog.New(slog.DiscardHandler), Metrics: prometheus.NewRegistry(),
	})
	ctx, cancel := context.WithCancel(b.Context())
	stopped := make(chan error, 1)
	go func() { stopped <- in.Run(ctx) }()
	b.ResetTimer()
	for i, p := range payloads {
		up := garden
		up.Edge = fmt.Sprintf("edge-%d", i%benchEdges)
		for in.Receive(ctx, up.Up("live"), p) != nil {
			<-time.After(time.Millisecond) // busy: the edge's window would wait
		}
	}
	<-answered.done
	b.StopTimer()
	b.ReportMetric(float64(b.N)*perEnvelope/b.Elapsed().Seconds(), "samples/s")
	cancel()
	if err := <-stopped; err != nil {
		b.Fatal(err)
	}
}

// BenchmarkSeriesAlone is the peer: the same samples, decoded already, into
// the same store, fsynced in groups of 100 Envelopes.
func BenchmarkSeriesAlone(b *testing.B) {
	_, batches := ticks(b, b.N)
	s := openBench(b)
	b.ResetTimer()
	for i := 0; i < b.N; i += 100 {
		if _, err := s.Append(b.Context(), batches[i:min(b.N, i+100)]); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)*perEnvelope/b.Elapsed().Seconds(), "samples/s")
}
