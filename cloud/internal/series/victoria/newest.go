package victoria

import (
	"context"
	"math"

	"github.com/prometheus/common/model"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/telemetry"
)

// Newest implements series.Store.
func (s *Store) Newest(ctx context.Context, sinceMS int64) ([]series.Newest, error) {
	all := newestOf{}
	safe := max(sinceMS, s.now().UnixMilli()-freshMS)
	for _, bad := range []bool{false, true} {
		every := `{estate!="",quality="` + quality(bad) + `"}`
		if safe > sinceMS {
			times, err := s.query(ctx, `tlast_over_time(`+every+window(sinceMS, safe)+`)`, safe-1)
			if err != nil {
				return nil, err
			}
			values, err := s.query(ctx, `last_over_time(`+every+window(sinceMS, safe)+`)`, safe-1)
			if err != nil {
				return nil, err
			}
			all.takeLast(times, values, bad)
		}
		fresh, err := s.query(ctx, every+window(safe, s.now().UnixMilli()+series.NewestAheadMS), s.now().UnixMilli()+series.NewestAheadMS-1)
		if err != nil {
			return nil, err
		}
		matrix, _ := fresh.(model.Matrix)
		for _, stream := range matrix {
			for _, p := range stream.Values {
				all.take(stream.Metric, int64(p.Timestamp), float64(p.Value), bad)
			}
		}
	}
	return all.list(), nil
}

// newestOf keeps the newest of each series, by all its labels.
type newestOf map[newestKey]series.Newest

type newestKey struct {
	estate, edge string
	telemetry.SeriesKey
}

func (n newestOf) take(m model.Metric, atMS int64, v float64, bad bool) {
	k := newestKey{string(m["estate"]), string(m["edge"]), telemetry.SeriesKey{
		Device: string(m["device"]), Kind: string(m["kind"]), Metric: string(m["metric"]),
	}}
	if old, ok := n[k]; ok && old.AtMS >= atMS {
		return
	}
	s := telemetry.Sample{Key: k.SeriesKey, AtMS: atMS, Value: v}
	if bad {
		s.Value, s.Quality = 0, telemetry.Bad
	}
	n[k] = series.Newest{Estate: k.estate, Edge: k.edge, Sample: s}
}

func (n newestOf) takeLast(times, values model.Value, bad bool) {
	last := map[model.Fingerprint]float64{}
	vector, _ := values.(model.Vector)
	for _, v := range vector {
		last[unnamed(v.Metric).Fingerprint()] = float64(v.Value)
	}
	vector, _ = times.(model.Vector)
	for _, t := range vector {
		if v, ok := last[unnamed(t.Metric).Fingerprint()]; ok {
			n.take(t.Metric, int64(math.Round(float64(t.Value)*1000)), v, bad)
		}
	}
}

func (n newestOf) list() []series.Newest {
	out := make([]series.Newest, 0, len(n))
	for _, s := range n {
		out = append(out, s)
	}
	return out
}

func unnamed(m model.Metric) model.Metric {
	delete(m, model.MetricNameLabel)
	return m
}
