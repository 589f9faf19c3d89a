// Package metrics names what the edge counts, as Prometheus metrics
// (linshao_edge_*). One Set lives on one registry of its own; there are no
// globals. Label values come from bounded sets of ours: configured devices,
// configured rules, closed lists of reasons; nothing a device sends becomes one.
package metrics

import (
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Set is all of the edge's metrics. Its methods are safe for concurrent
// use and never block.
type Set struct {
	registry   *prometheus.Registry
	samples    *prometheus.CounterVec
	pollTime   prometheus.Histogram
	pollErrors *prometheus.CounterVec
	deviceUp   *prometheus.GaugeVec
	findings   *prometheus.CounterVec
	dropped    *prometheus.CounterVec

	// mu guards the following.
	mu sync.Mutex
	// scrape is called before every scrape; told is what was last counted of
	// each of the reasons that somebody else counts.
	scrape []func()
	told   map[string]uint64
}

// New returns a Set. version labels linshao_edge_build_info.
func New(version string) *Set {
	s := &Set{
		registry: prometheus.NewRegistry(), told: map[string]uint64{},
		samples: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "linshao_edge_samples_total", Help: "Samples made durable, by driver and quality.",
		}, []string{"driver", "quality"}),
		pollTime: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "linshao_edge_poll_seconds", Help: "Time from a Modbus request to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		pollErrors: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "linshao_edge_poll_errors_total", Help: "Reads that brought no value, by reason.",
		}, []string{"reason"}),
		deviceUp: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "linshao_edge_device_up", Help: "1 while a device answers or is signed in.",
		}, []string{"device"}),
		findings: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "linshao_edge_findings_total", Help: "Conditions that became active, by rule.",
		}, []string{"rule"}),
		dropped: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "linshao_edge_dropped_total", Help: "What was not kept, by reason.",
		}, []string{"reason"}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "linshao_edge_build_info", Help: "1; the version is in the label.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	s.registry.MustRegister(s.samples, s.pollTime, s.pollErrors, s.deviceUp, s.findings, s.dropped, info,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return s
}

// Gauge adds a metric that is asked for at every scrape; labels come in pairs.
func (s *Set) Gauge(name, help string, ask func() float64, labels ...string) {
	l := prometheus.Labels{}
	for i := 0; i+1 < len(labels); i += 2 {
		l[labels[i]] = labels[i+1]
	}
	s.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: l}, ask))
}

// Sampled counts n Samples of a driver.
func (s *Set) Sampled(driver, quality string, n int) {
	s.samples.WithLabelValues(driver, quality).Add(float64(n))
}

// Found counts a condition that became active.
func (s *Set) Found(rule string) { s.findings.WithLabelValues(rule).Inc() }

// Dropped counts n things that were not kept. reason is of a closed set.
func (s *Set) Dropped(reason string, n int) { s.dropped.WithLabelValues(reason).Add(float64(n)) }

// DroppedSince sets what somebody else has counted since the start, by reason;
// what is told is never less than what was told before. A reason is shown from
// the first time it is named, be it with 0, so that its first increase is seen.
func (s *Set) DroppedSince(totals map[string]uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for reason, n := range totals {
		c := s.dropped.WithLabelValues(reason)
		if before := s.told[reason]; n > before {
			c.Add(float64(n - before))
			s.told[reason] = n
		}
	}
}

// OnScrape has f called before every scrape, to bring up to date what is
// counted elsewhere.
func (s *Set) OnScrape(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.scrape = append(s.scrape, f)
}

// Polled implements the Modbus driver's Stats.
func (s *Set) Polled(took time.Duration) { s.pollTime.Observe(took.Seconds()) }

// Failed implements the Modbus driver's Stats.
func (s *Set) Failed(reason string) { s.pollErrors.WithLabelValues(reason).Inc() }

// Skipped implements the Modbus driver's Stats.
func (s *Set) Skipped(n int) { s.Dropped("poll_skipped", n) }

// Up implements the Modbus driver's Stats.
func (s *Set) Up(device string, up bool) {
	v := 0.0
	if up {
		v = 1
	}
	s.deviceUp.WithLabelValues(device).Set(v)
}

// Handler serves the metrics; a collector that fails does not hide the others.
func (s *Set) Handler() http.Handler {
	h := promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, Registry: s.registry})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		scrape := slices.Clone(s.scrape)
		s.mu.Unlock()
		for _, f := range scrape {
			f()
		}
		h.ServeHTTP(w, r)
	})
}
