package ingest

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/linshao/linshao/cloud/internal/series"
)

// Results of an Envelope, as the metric names them.
const (
	resultStored      = "stored"
	resultRepeated    = "repeated" // was settled before; Receipt again
	resultRejected    = "rejected"
	resultUnreadable  = "unreadable"  // not even its Sequences could be read
	resultNewer       = "newer"       // demands a newer collector; the edge keeps it
	resultForeign     = "foreign"     // claims another edge than its topic's
	resultBusy        = "busy"        // no room; the edge sends again
	resultAhead       = "ahead"       // its times lie in the future; the edge sends again
	resultUncommitted = "uncommitted" // could not be committed; the edge sends again
)

// metrics are named in docs/operations.md. No label is anything an edge could choose.
type metrics struct {
	envelopes *prometheus.CounterVec
	samples   prometheus.Counter
	refused   *prometheus.CounterVec
	receipt   prometheus.Histogram
	hellos    *prometheus.CounterVec
}

func newMetrics(r prometheus.Registerer) *metrics {
	m := &metrics{
		envelopes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "linshao_cloud_envelopes_total", Help: "Envelopes from edges, by lane and by what became of them.",
		}, []string{"lane", "result"}),
		samples: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "linshao_cloud_samples_total", Help: "Samples made durable in the series store.",
		}),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "linshao_cloud_samples_refused_total", Help: "Samples that can never be stored, by reason.",
		}, []string{"reason"}),
		receipt: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "linshao_cloud_receipt_seconds", Help: "From the arrival of an Envelope to its Receipt.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
		}),
		hellos: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "linshao_cloud_hellos_total", Help: "Hellos of edges, by result; clone means that two machines run from one disk.",
		}, []string{"result"}),
	}
	r.MustRegister(m.envelopes, m.samples, m.refused, m.receipt, m.hellos)
	return m
}

func (m *metrics) tally(t series.Tally) {
	m.samples.Add(float64(t.Stored))
	for why, n := range t.Refused {
		m.refused.WithLabelValues(string(why)).Add(float64(n))
	}
}
