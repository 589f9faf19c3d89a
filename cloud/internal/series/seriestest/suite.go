// Package seriestest is the conformance suite that every backend of package
// series runs. It tells a backend's promises as stories; a backend that passes
// may stand behind the collector.
//
// The suite owns the clock: Now is the instant at which all stories play, and
// the backend under test must use it for its checks.
package seriestest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/telemetry"
)

// Harness is how the suite gets at a backend.
type Harness struct {
	// Now is when the stories play; whole seconds.
	Now time.Time
	// Open makes an empty store, closed at the end of the test.
	Open func(t *testing.T) series.Store
	// Reopen closes s and opens another on what it kept.
	Reopen func(t *testing.T, s series.Store) series.Store
	// Settle waits until all that was appended can be read; nil: at once.
	Settle func(t *testing.T)
}

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// bench is one story's store, with words to act on it.
type bench struct {
	t   *testing.T
	h   Harness
	s   series.Store
	now int64
}

// Run runs the suite.
func Run(t *testing.T, h Harness) {
	for _, c := range []struct {
		name  string
		story func(*bench)
	}{
		{"what is appended is read back", appended},
		{"writing the same again changes nothing", rewritten},
		{"late data is welcome in any order", late},
		{"buckets are aligned, half-open and never empty", buckets},
		{"the present is in its buckets too", present},
		{"a gap says that there was no value", gaps},
		{"what cannot be stored is refused with a reason", refused},
		{"labels come back as they were given", labels},
		{"series do not mix", apart},
		{"the newest of each series is known", newest},
		{"a restart loses nothing", restart},
		{"late data, rewrites and restarts together lose nothing", everything},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.story(&bench{t: t, h: h, s: h.Open(t), now: h.Now.UnixMilli()})
		})
	}
}

var motor = telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "motor_temp"}

func sample(k telemetry.SeriesKey, atMS int64, v float64) telemetry.Sample {
	return telemetry.Sample{Key: k, AtMS: atMS, Value: v}
}

func bad(k telemetry.SeriesKey, atMS int64) telemetry.Sample {
	return telemetry.Sample{Key: k, AtMS: atMS, Quality: telemetry.Bad, Reason: "timeout"}
}

func (b *bench) append(samples ...telemetry.Sample) series.Tally {
	b.t.Helper()
	return b.appendFrom("garden", "garden-1", samples...)
}

func (b *bench) appendFrom(estate, edge string, samples ...telemetry.Sample) series.Tally {
	b.t.Helper()
	tally, err := b.s.Append(b.t.Context(), []series.Batch{{Estate: estate, Edge: edge, Samples: samples}})
	if err != nil {
		b.t.Fatalf("append: %v", err)
	}
	return tally
}

func (b *bench) rangeOf(sel series.Selector, from, to, step int64) []series.Point {
	b.t.Helper()
	if b.h.Settle != nil {
		b.h.Settle(b.t)
	}
	ps, err := b.s.Range(b.t.Context(), sel, from, to, step)
	if err != nil {
		b.t.Fatalf("range: %v", err)
	}
	return ps
}

func (b *bench) motor(from, to, step int64) []series.Point {
	b.t.Helper()
	return b.rangeOf(series.Selector{Estate: "garden", Device: "lift-1", Metric: "motor_temp"}, from, to, step)
}

func (b *bench) want(got []series.Point, want ...series.Point) {
	b.t.Helper()
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApprox(1e-12, 0)); d != "" {
		b.t.Errorf("points (-want +got):\n%s", d)
	}
}

func raw(atMS int64, v float64) series.Point {
	return series.Point{AtMS: atMS, Min: v, Mean: v, Max: v}
}
