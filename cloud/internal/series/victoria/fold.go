package victoria

import (
	"math"

	"github.com/prometheus/common/model"

	"github.com/linshao/linshao/cloud/internal/series"
)

// folds collects the four answers about each bucket of each series.
type folds map[foldKey]*fold

type foldKey struct {
	edge, kind string
	atMS       int64
}

type fold struct {
	series.Point
	count int64
}

func (f folds) add(m model.Metric, atMS int64, v float64) {
	k := foldKey{string(m["edge"]), string(m["kind"]), atMS}
	p := f[k]
	if p == nil {
		p = &fold{Point: series.Point{AtMS: atMS}}
		f[k] = p
	}
	switch m["rollup"] {
	case "min_over_time":
		p.Min = v
	case "avg_over_time":
		p.Mean = v
	case "max_over_time":
		p.Max = v
	case "count_over_time":
		p.count = int64(v)
	}
}

func (f folds) into(b *series.Buckets) {
	for _, p := range f {
		if math.IsInf(p.Mean, 0) || math.IsNaN(p.Mean) { // the server sums up
			p.Mean = p.Min/2 + p.Max/2
		}
		b.Merge(p.Point, p.count)
	}
}
