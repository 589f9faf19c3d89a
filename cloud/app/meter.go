package app

import (
	"context"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/dispatch"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/kit/clock"
)

// meter is the cloud's metrics on one registry of its own.
type meter struct {
	registry   *prometheus.Registry
	paged      prometheus.Histogram
	deliveries *prometheus.CounterVec
}

var _ dispatch.Meter = (*meter)(nil)

func newMeter(version string) *meter {
	m := &meter{
		registry: prometheus.NewRegistry(),
		paged: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "linshao_cloud_page_seconds", Help: "From the change of a sensor until a channel accepted the first page.",
			Buckets: []float64{.05, .1, .2, .3, .5, 1, 2, 5, 10, 30, 60, 300, 1800},
		}),
		deliveries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "linshao_cloud_deliveries_total", Help: "Attempts to page somebody, by channel and outcome.",
		}, []string{"channel", "outcome"}),
	}
	info := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "linshao_cloud_build_info", Help: "1; the version is in the label.", ConstLabels: prometheus.Labels{"version": version},
	})
	info.Set(1)
	m.registry.MustRegister(m.paged, m.deliveries, info, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Paged implements dispatch.Meter. A clock that ran ahead gives less than
// nothing, which counts as nothing.
func (m *meter) Paged(took time.Duration) { m.paged.Observe(max(took, 0).Seconds()) }

// Delivered implements dispatch.Meter.
func (m *meter) Delivered(channel string, outcome routing.DeliveryState) {
	m.deliveries.WithLabelValues(channel, string(outcome)).Inc()
}

// handler serves the metrics; a collector that fails does not hide the others.
func (m *meter) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError, Registry: m.registry})
}

func (m *meter) watch(ctx context.Context, store *db.Store) {
	m.registry.MustRegister(ticketCounts{ctx, store})
}

func (m *meter) liveness(l *liveness) { m.registry.MustRegister(lastSeen{l}) }

// scrapeWithin bounds a collector's look at the database.
const scrapeWithin = 3 * time.Second

// ticketCounts counts tickets when it is asked.
type ticketCounts struct {
	ctx   context.Context
	store *db.Store
}

func ticketsDesc() *prometheus.Desc {
	return prometheus.NewDesc("linshao_cloud_tickets", "Tickets, by state and severity.", []string{"state", "severity"}, nil)
}

// Describe implements prometheus.Collector.
func (t ticketCounts) Describe(ch chan<- *prometheus.Desc) { ch <- ticketsDesc() }

// Collect implements prometheus.Collector.
func (t ticketCounts) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(t.ctx, scrapeWithin)
	defer cancel()
	counts, err := t.store.Read().CountTickets(ctx)
	if err != nil {
		ch <- prometheus.NewInvalidMetric(ticketsDesc(), err)
		return
	}
	for _, c := range counts {
		ch <- prometheus.MustNewConstMetric(ticketsDesc(), prometheus.GaugeValue, float64(c.N), string(c.State), string(c.Severity))
	}
}

// lastSeen tells how long ago each edge was heard.
type lastSeen struct{ l *liveness }

func lastSeenDesc() *prometheus.Desc {
	return prometheus.NewDesc("linshao_cloud_edge_last_seen_seconds", "How long ago an edge was heard.", []string{"edge"}, nil)
}

// Describe implements prometheus.Collector.
func (s lastSeen) Describe(ch chan<- *prometheus.Desc) { ch <- lastSeenDesc() }

// Collect implements prometheus.Collector.
func (s lastSeen) Collect(ch chan<- prometheus.Metric) {
	now := clock.NowMS(s.l.clock)
	for id, at := range s.l.lastHeard() {
		ch <- prometheus.MustNewConstMetric(lastSeenDesc(), prometheus.GaugeValue, float64(max(now-at, 0))/1000, id.estate+"/"+id.edge)
	}
}
