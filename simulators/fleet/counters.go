package fleet

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Totals are what a fleet did and felt so far.
type Totals struct {
	Seconds   float64 `json:"seconds"`
	Online    int64   `json:"online"`
	Envelopes uint64  `json:"envelopes"`
	Samples   uint64  `json:"samples"`
	Bytes     uint64  `json:"bytes"`
	// Settled and Rejected are samples with a Receipt.
	Settled  uint64 `json:"settled"`
	Rejected uint64 `json:"rejected"`
	Receipts uint64 `json:"receipts"`
	// Resent Envelopes went out again after one of Broken connections.
	Resent uint64 `json:"resent"`
	Broken uint64 `json:"broken"`
	// Held counts the times an edge had its window full.
	Held uint64 `json:"held"`
	// Nonsense counts Receipts that could not be read or were not ours.
	Nonsense uint64 `json:"nonsense"`
	// SettledPerSecond is over the whole run.
	SettledPerSecond float64 `json:"settled_per_second"`
	// Delays from Envelope to Receipt, in ms.
	DelayP50MS int `json:"delay_p50_ms"`
	DelayP99MS int `json:"delay_p99_ms"`
	// Alarms are those of Options.Alarms with a Receipt; AlarmP50MS to
	// AlarmMaxMS are the times from the start to theirs.
	Alarms     uint64 `json:"alarms"`
	AlarmP50MS int    `json:"alarm_p50_ms"`
	AlarmP99MS int    `json:"alarm_p99_ms"`
	AlarmMaxMS int    `json:"alarm_max_ms"`
	// First and Drained are the times from the start until an edge had the
	// first and the last Receipt for its Options.Backlog, and how many edges
	// had them.
	First        uint64 `json:"first"`
	FirstP50MS   int    `json:"first_p50_ms"`
	FirstMaxMS   int    `json:"first_max_ms"`
	Drained      uint64 `json:"drained"`
	DrainedP50MS int    `json:"drained_p50_ms"`
	DrainedMaxMS int    `json:"drained_max_ms"`
}

// counters are shared by all edges.
type counters struct {
	began                          time.Time
	online                         atomic.Int64
	envelopes, samples, bytes      atomic.Uint64
	settled, rejected, receipts    atomic.Uint64
	resent, broken, held, nonsense atomic.Uint64
	alarms                         atomic.Uint64
	delays, alarmDelays            delays
	first, drained                 delays
}

func newCounters() *counters { return &counters{began: time.Now()} }

func (c *counters) totals() Totals {
	seconds := time.Since(c.began).Seconds()
	t := Totals{
		Seconds: seconds, Online: c.online.Load(), Envelopes: c.envelopes.Load(), Samples: c.samples.Load(),
		Bytes: c.bytes.Load(), Settled: c.settled.Load(), Rejected: c.rejected.Load(), Receipts: c.receipts.Load(),
		Resent: c.resent.Load(), Broken: c.broken.Load(), Held: c.held.Load(), Nonsense: c.nonsense.Load(),
	}
	t.SettledPerSecond = float64(t.Settled) / seconds
	t.DelayP50MS, t.DelayP99MS = c.delays.quantile(0.50), c.delays.quantile(0.99)
	t.Alarms = c.alarms.Load()
	t.AlarmP50MS, t.AlarmP99MS, t.AlarmMaxMS = c.alarmDelays.quantile(0.50), c.alarmDelays.quantile(0.99), c.alarmDelays.quantile(1)
	t.First, t.FirstP50MS, t.FirstMaxMS = c.first.count(), c.first.quantile(0.50), c.first.quantile(1)
	t.Drained, t.DrainedP50MS, t.DrainedMaxMS = c.drained.count(), c.drained.quantile(0.50), c.drained.quantile(1)
	return t
}

// report tells progress once a second until ctx ends.
func (c *counters) report(ctx context.Context, progress func(Totals)) {
	if progress == nil {
		return
	}
	beat := time.NewTicker(time.Second)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			progress(c.totals())
		}
	}
}

// slowest is the last bucket of delays, in ms: that long or longer.
const slowest = 120_000

// delays is a histogram of whole milliseconds.
type delays struct {
	mu      sync.Mutex // guards all below
	buckets [slowest + 1]uint32
	n       uint64
}

func (d *delays) add(t time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.buckets[min(max(t.Milliseconds(), 0), slowest)]++
	d.n++
}

func (d *delays) count() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n
}

// quantile is the upper bound in ms that a share of all delays kept.
func (d *delays) quantile(share float64) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.n == 0 {
		return 0
	}
	want, seen := uint64(share*float64(d.n)), uint64(0)
	for ms, k := range d.buckets {
		seen += uint64(k)
		if seen > want || seen == d.n {
			return ms
		}
	}
	return slowest
}
