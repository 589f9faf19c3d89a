package victoria

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	prometheus "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/linshao/linshao/cloud/internal/series"
)

const (
	// freshMS is how much of the newest time is read raw and folded here:
	// the server holds back, or fills up by guessing, what is newer than its
	// -search.latencyOffset (30 s).
	freshMS = 2 * 60 * 1000
	// bucketsPerRequest stays below -search.maxPointsPerTimeseries.
	bucketsPerRequest = 10_000
)

// Range implements series.Reader. Times that lie far enough back are folded by
// the server, whole buckets in one request and the cut ones at both ends in
// one each; the last two minutes are folded here.
func (s *Store) Range(ctx context.Context, sel series.Selector, fromMS, toMS, stepMS int64) ([]series.Point, error) {
	if err := series.CheckRange(fromMS, toMS, stepMS); err != nil {
		return nil, err
	}
	if fromMS >= toMS {
		return nil, nil
	}
	if stepMS == 0 {
		return s.raw(ctx, sel, fromMS, toMS)
	}
	b := series.NewBuckets(stepMS)
	safe := max(fromMS, min(toMS, s.now().UnixMilli()-freshMS))
	first := series.AlignDown(fromMS+stepMS-1, stepMS) // first whole bucket
	last := series.AlignDown(safe, stepMS)             // first cut one behind
	if first > last {                                  // all in one bucket
		first, last = safe, safe
	}
	if err := s.foldOne(ctx, b, sel, fromMS, first); err != nil {
		return nil, err
	}
	for at := first; at < last; at += bucketsPerRequest * stepMS {
		if err := s.foldWhole(ctx, b, sel, at, min(last, at+bucketsPerRequest*stepMS), stepMS); err != nil {
			return nil, err
		}
	}
	if err := s.foldOne(ctx, b, sel, last, safe); err != nil {
		return nil, err
	}
	if safe < toMS {
		fresh, err := s.values(ctx, selector(sel, false), safe, toMS)
		if err != nil {
			return nil, err
		}
		for _, p := range fresh {
			b.Add(p.AtMS, p.Mean)
		}
	}
	return b.Points(), nil
}

// raw reads values and gaps, and merges them.
func (s *Store) raw(ctx context.Context, sel series.Selector, fromMS, toMS int64) ([]series.Point, error) {
	ps, err := s.values(ctx, selector(sel, false), fromMS, toMS)
	if err != nil {
		return nil, err
	}
	gaps, err := s.values(ctx, selector(sel, true), fromMS, toMS)
	if err != nil {
		return nil, err
	}
	for _, g := range gaps {
		ps = append(ps, series.Point{AtMS: g.AtMS, Gap: true})
	}
	if len(ps) > series.MaxRawPoints {
		return nil, series.ErrTooManyPoints
	}
	return series.MergeRaw(ps), nil
}

// values reads the samples of a selector in [fromMS, toMS), as they are.
func (s *Store) values(ctx context.Context, selector string, fromMS, toMS int64) ([]series.Point, error) {
	v, err := s.query(ctx, selector+window(fromMS, toMS), toMS-1)
	if err != nil {
		return nil, err
	}
	matrix, _ := v.(model.Matrix)
	var ps []series.Point
	for _, stream := range matrix {
		for _, p := range stream.Values {
			if at := int64(p.Timestamp); at >= fromMS && at < toMS {
				x := float64(p.Value)
				ps = append(ps, series.Point{AtMS: at, Min: x, Mean: x, Max: x})
			}
		}
	}
	return ps, nil
}

// foldOne folds [fromMS, toMS), which lies in one bucket.
func (s *Store) foldOne(ctx context.Context, b *series.Buckets, sel series.Selector, fromMS, toMS int64) error {
	if fromMS >= toMS {
		return nil
	}
	v, err := s.query(ctx, folded(sel, fromMS, toMS), toMS-1)
	if err != nil {
		return err
	}
	vector, _ := v.(model.Vector)
	f := folds{}
	for _, sample := range vector {
		f.add(sample.Metric, fromMS, float64(sample.Value))
	}
	f.into(b)
	return nil
}

// foldWhole folds the whole buckets in [fromMS, toMS).
func (s *Store) foldWhole(ctx context.Context, b *series.Buckets, sel series.Selector, fromMS, toMS, stepMS int64) error {
	// A window of the server is open at its start and closed at its end;
	// times are whole milliseconds, so one less makes it ours.
	r := prometheus.Range{
		Start: instant(fromMS + stepMS - 1), End: instant(toMS - 1),
		Step: time.Duration(stepMS)*time.Millisecond + nudge,
	}
	v, warnings, _, err := s.reads.QueryRange(ctx, folded(sel, 0, stepMS), r)
	if err != nil {
		return fmt.Errorf("read from victoriametrics: %w", err)
	}
	s.note(warnings)
	matrix, _ := v.(model.Matrix)
	f := folds{}
	for _, stream := range matrix {
		for _, p := range stream.Values {
			f.add(stream.Metric, int64(p.Timestamp)-stepMS+1, float64(p.Value))
		}
	}
	f.into(b)
	return nil
}

// nudge is added to what the client turns into fractions of a second: the
// server cuts them to milliseconds, and a rounding error below would cost one.
const nudge = 400 * time.Microsecond

func instant(atMS int64) time.Time { return time.UnixMilli(atMS).Add(nudge) }

func (s *Store) query(ctx context.Context, q string, atMS int64) (model.Value, error) {
	v, warnings, _, err := s.reads.Query(ctx, q, instant(atMS))
	if err != nil {
		return nil, fmt.Errorf("read from victoriametrics: %w", err)
	}
	s.note(warnings)
	return v, nil
}

func (s *Store) note(warnings prometheus.Warnings) {
	if len(warnings) > 0 {
		s.log.Warn("victoriametrics warns", "warnings", strings.Join(warnings, "; "))
	}
}

func selector(sel series.Selector, bad bool) string {
	parts := []string{
		"estate=" + strconv.Quote(sel.Estate), "device=" + strconv.Quote(sel.Device),
		"metric=" + strconv.Quote(sel.Metric), `quality="` + quality(bad) + `"`,
	}
	if sel.Edge != "" {
		parts = append(parts, "edge="+strconv.Quote(sel.Edge))
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func quality(bad bool) string {
	if bad {
		return "bad"
	}
	return ""
}

func window(fromMS, toMS int64) string { return "[" + strconv.FormatInt(toMS-fromMS, 10) + "ms]" }

func folded(sel series.Selector, fromMS, toMS int64) string {
	return `aggr_over_time(("min_over_time","avg_over_time","max_over_time","count_over_time"),` +
		selector(sel, false) + window(fromMS, toMS) + `)`
}
