package embedded

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/telemetry"
)

// Range implements series.Reader.
func (s *Store) Range(ctx context.Context, sel series.Selector, fromMS, toMS, stepMS int64) ([]series.Point, error) {
	if err := series.CheckRange(fromMS, toMS, stepMS); err != nil {
		return nil, err
	}
	if fromMS >= toMS {
		return nil, nil
	}
	q, err := s.db.Querier(fromMS, toMS-1)
	if err != nil {
		return nil, fmt.Errorf("read series: %w", err)
	}
	points, err := collect(q.Select(ctx, false, nil, matchersOf(sel)...), stepMS)
	if err := errors.Join(err, q.Close()); err != nil {
		return nil, fmt.Errorf("read series: %w", err)
	}
	return points, nil
}

func matchersOf(sel series.Selector) []*labels.Matcher {
	ms := []*labels.Matcher{
		labels.MustNewMatcher(labels.MatchEqual, labelEstate, sel.Estate),
		labels.MustNewMatcher(labels.MatchEqual, labelDevice, sel.Device),
		labels.MustNewMatcher(labels.MatchEqual, labelMetric, sel.Metric),
	}
	if sel.Edge != "" {
		ms = append(ms, labels.MustNewMatcher(labels.MatchEqual, labelEdge, sel.Edge))
	}
	return ms
}

func collect(set storage.SeriesSet, stepMS int64) ([]series.Point, error) {
	if stepMS > 0 {
		b := series.NewBuckets(stepMS)
		err := each(set, func(p series.Point) error {
			if !p.Gap {
				b.Add(p.AtMS, p.Mean)
			}
			return nil
		})
		return b.Points(), err
	}
	var raw []series.Point
	err := each(set, func(p series.Point) error {
		if len(raw) >= series.MaxRawPoints {
			return series.ErrTooManyPoints
		}
		raw = append(raw, p)
		return nil
	})
	return series.MergeRaw(raw), err
}

// each calls f with every sample of every series of set.
func each(set storage.SeriesSet, f func(series.Point) error) error {
	var it chunkenc.Iterator
	for set.Next() {
		it = set.At().Iterator(it)
		for it.Next() == chunkenc.ValFloat {
			if err := f(point(it.At())); err != nil {
				return err
			}
		}
		if err := it.Err(); err != nil {
			return err
		}
	}
	return set.Err()
}

func point(atMS int64, v float64) series.Point {
	if value.IsStaleNaN(v) {
		return series.Point{AtMS: atMS, Gap: true}
	}
	return series.Point{AtMS: atMS, Min: v, Mean: v, Max: v}
}

// Newest implements series.Store. It looks into the last chunk of each series
// only.
func (s *Store) Newest(ctx context.Context, sinceMS int64) ([]series.Newest, error) {
	q, err := s.db.ChunkQuerier(sinceMS, math.MaxInt64)
	if err != nil {
		return nil, fmt.Errorf("read newest: %w", err)
	}
	set := q.Select(ctx, false, nil, labels.MustNewMatcher(labels.MatchNotEqual, labelEstate, ""))
	var all []series.Newest
	for err == nil && set.Next() {
		var n series.Newest
		var found bool
		if n, found, err = newestOf(set.At(), sinceMS); found {
			all = append(all, n)
		}
	}
	if err := errors.Join(err, set.Err(), q.Close()); err != nil {
		return nil, fmt.Errorf("read newest: %w", err)
	}
	return all, nil
}

func newestOf(cs storage.ChunkSeries, sinceMS int64) (n series.Newest, found bool, err error) {
	var last chunkenc.Chunk
	latest := int64(math.MinInt64)
	chunks := cs.Iterator(nil)
	for chunks.Next() {
		if m := chunks.At(); m.MaxTime >= latest {
			last, latest = m.Chunk, m.MaxTime
		}
	}
	if err := chunks.Err(); err != nil || last == nil {
		return n, false, err
	}
	l := cs.Labels()
	n = series.Newest{Estate: l.Get(labelEstate), Edge: l.Get(labelEdge)}
	n.Key = telemetry.SeriesKey{Device: l.Get(labelDevice), Kind: l.Get(labelKind), Metric: l.Get(labelMetric)}
	it := last.Iterator(nil)
	for it.Next() == chunkenc.ValFloat {
		at, v := it.At()
		n.AtMS, n.Value, n.Quality = at, v, telemetry.Good
		if value.IsStaleNaN(v) {
			n.Value, n.Quality = 0, telemetry.Bad
		}
	}
	return n, n.AtMS >= sinceMS, it.Err()
}
