// Package series is the cloud's time series: what measurements are called once
// stored, which of them may be stored at all, and the contract that every
// backend keeps (package seriestest proves it). It holds no storage itself.
//
// A series is (estate, edge, device, kind, metric); all five labels are always
// present, and its name is Name(kind, metric). Values are finite numbers. A
// Sample of bad quality is kept as a gap: the series says that there was no
// value at that time, which is different from saying nothing. Text has no
// place in a series; only Latest knows it.
//
// What it does not do: it does not decide what is worth storing (the edge's
// deadband did), and it never changes a value.
package series

import (
	"context"
	"errors"
	"net/http"

	"github.com/linshao/linshao/protocol/telemetry"
)

// Batch is what one edge sends together.
type Batch struct {
	Estate, Edge string
	// ReceivedMS is when it came, by the cloud's clock; 0 if that is not known.
	ReceivedMS int64
	Samples    []telemetry.Sample
}

// Selector names the series of one metric of one device. Estate, Device and
// Metric are required. Edge may be empty: a device id is unique within its
// estate, and a device that moved to another edge keeps its history. Its kind
// is a label, not part of what it is, and is not asked for.
type Selector struct {
	Estate, Edge, Device, Metric string
}

// Point is one bucket of a Range, or one raw sample of it.
type Point struct {
	// AtMS is the start of the bucket, or the time of the raw sample.
	AtMS int64
	// Min, Mean and Max are over the good values of the bucket; of a raw
	// sample all three are the value.
	Min, Mean, Max float64
	// Gap marks a raw sample of bad quality: there is no value.
	Gap bool
}

// Newest is the newest Sample of one series.
type Newest struct {
	Estate, Edge string
	// ReceivedMS is when it came, by the cloud's clock. No Store keeps it: 0
	// of what came before the collector's start.
	ReceivedMS int64
	telemetry.Sample
}

// Tally says what became of the Samples of an Append.
type Tally struct {
	// Stored counts values and gaps that are durable now, whether or not
	// they had been there before.
	Stored int
	// Texts counts Samples that only Latest can keep.
	Texts int
	// Refused counts what can never be stored, by reason.
	Refused map[Reason]int
}

// Refuse counts n Samples as refused.
func (t *Tally) Refuse(why Reason, n int) {
	if t.Refused == nil {
		t.Refused = map[Reason]int{}
	}
	t.Refused[why] += n
}

// Store is a backend. All methods may be called at once from many goroutines.
type Store interface {
	Appender
	Reader
	// Newest returns the newest Sample of every series that has one at
	// sinceMS or later, in no order. It is what Latest is rebuilt from; it
	// may cost seconds.
	Newest(ctx context.Context, sinceMS int64) ([]Newest, error)
	// Close makes everything durable and frees what the store holds.
	Close() error
}

// Appender takes samples.
type Appender interface {
	// Append stores batches as one group and returns nil when all of it is
	// as durable as the backend can make it (the backend says how durable
	// that is). It keeps nothing of batches after it returned.
	//
	// Samples may come in any order, up to OldestAge old, and any number of
	// times: an equal Sample changes nothing. If two Samples of one series
	// and time differ, one of them stays.
	//
	// Samples that can never be stored are counted in the Tally and never
	// make an error. An error means that any part of the group may be
	// stored; append the same group again. ErrBroken among it means that
	// this Store will not take anything any more and must be opened anew.
	Append(ctx context.Context, batches []Batch) (Tally, error)
}

// Reader answers questions.
type Reader interface {
	// Range returns the points of sel in [fromMS, toMS), ascending. With a
	// step the buckets start at multiples of stepMS since 1970 and take the
	// samples in [start, start+step) that also are in [fromMS, toMS);
	// buckets without a good value are left out. With stepMS 0 it returns
	// the raw samples, gaps among them, and ErrTooManyPoints where they are
	// more than MaxRawPoints.
	Range(ctx context.Context, sel Selector, fromMS, toMS, stepMS int64) ([]Point, error)
}

// Prometheus is the optional power of a Store that answers PromQL.
type Prometheus interface {
	// Prometheus serves Prometheus' HTTP API below "/api/v1/" (query,
	// query_range, series, labels, label/{name}/values) for a caller who may
	// see scope: every selector of every query is bound to it, whatever the
	// query says.
	Prometheus(scope Scope) http.Handler
}

// Scope says which estates a caller may see. The zero Scope sees nothing.
type Scope struct {
	All     bool
	Estates []string
}

const (
	// OldestAgeMS is how old a Sample may be to be stored: 40 days, five
	// more than the outbox of an edge keeps.
	OldestAgeMS = 40 * 24 * 3600 * 1000
	// NewestAheadMS is how far ahead of the cloud's clock it may be. One
	// sample ten years ahead would make the embedded store refuse all
	// normal ones as too old.
	NewestAheadMS = telemetry.NewestAheadMS
	// MaxRawPoints bounds what Range returns without a step: three days of
	// one sample a second.
	MaxRawPoints = 3 * 24 * 3600
	// MaxBuckets bounds what Range returns with a step.
	MaxBuckets = 50_000
)

var (
	// ErrTooManyPoints: ask for less time or a longer step.
	ErrTooManyPoints = errors.New("too many points: ask for a shorter time or a longer step")
	// ErrNotReady: the store is not open yet; try again.
	ErrNotReady = errors.New("the series store is not open yet")
	// ErrNoRoom: too little of the disk is free; try again.
	ErrNoRoom = errors.New("too little room for samples on the disk")
	// ErrBroken: the store cannot tell any more what is on disk. Close it
	// and open it anew.
	ErrBroken = errors.New("the series store must be opened anew")
)
