package embedded

import (
	"errors"
	"fmt"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// failures is the Registerer the library gets. It keeps the library's metrics
// out of ours, and holds on to the counters of failed log writes: for the wbl
// they are the only sign that a write failed.
type failures struct {
	*prometheus.Registry
	counters []prometheus.Metric
}

func newFailures() *failures { return &failures{Registry: prometheus.NewRegistry()} }

const failureSuffix = `_writes_failed_total"`

// Register implements prometheus.Registerer.
func (f *failures) Register(c prometheus.Collector) error {
	f.watch(c)
	return f.Registry.Register(c)
}

// MustRegister implements prometheus.Registerer.
func (f *failures) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		f.watch(c)
	}
	f.Registry.MustRegister(cs...)
}

// watch looks through the collector's own metrics rather than for its type:
// the library registers it behind a wrapper that adds a prefix.
func (f *failures) watch(c prometheus.Collector) {
	descs := make(chan *prometheus.Desc)
	go func() { c.Describe(descs); close(descs) }()
	matches := false
	for d := range descs {
		matches = matches || strings.Contains(d.String(), failureSuffix)
	}
	if !matches {
		return
	}
	metrics := make(chan prometheus.Metric)
	go func() { c.Collect(metrics); close(metrics) }()
	for m := range metrics {
		f.counters = append(f.counters, m) // reads the live counter
	}
}

// count is how many writes have failed.
func (f *failures) count() (n float64) {
	for _, c := range f.counters {
		var m dto.Metric
		if err := c.Write(&m); err == nil {
			n += m.GetCounter().GetValue()
		}
	}
	return n
}

// repaired reports whether the library found one of its logs torn when it was
// opened, and cut it.
func (f *failures) repaired() (bool, error) {
	families, err := f.Gather()
	if err != nil {
		return false, fmt.Errorf("ask for repairs: %w", err)
	}
	for _, m := range families {
		if m.GetName() == "prometheus_tsdb_wal_corruptions_total" {
			return m.GetMetric()[0].GetCounter().GetValue() > 0, nil
		}
	}
	return false, errors.New("the library does not count its repairs any more")
}
