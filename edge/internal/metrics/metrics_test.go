package metrics_test

import (
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/metrics"
)

func TestEveryPromisedNameIsThere(t *testing.T) {
	t.Parallel()
	s := metrics.New("0.1.0")
	s.Sampled("modbus", "good", 3)
	s.Polled(2 * time.Millisecond)
	s.Failed("timeout")
	s.Up("lift-1", true)
	s.Found("entrapment")
	s.Skipped(1)
	s.Gauge("linshao_edge_outbox_records", "Records waiting.", func() float64 { return 7 }, "lane", "alarm")
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for _, want := range []string{
		`linshao_edge_samples_total{driver="modbus",quality="good"} 3`, "linshao_edge_poll_seconds_count 1",
		`linshao_edge_poll_errors_total{reason="timeout"} 1`, `linshao_edge_device_up{device="lift-1"} 1`,
		`linshao_edge_findings_total{rule="entrapment"} 1`, `linshao_edge_dropped_total{reason="poll_skipped"} 1`,
		`linshao_edge_outbox_records{lane="alarm"} 7`, `linshao_edge_build_info{version="0.1.0"} 1`,
	} {
		if !strings.Contains(w.Body.String(), want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
}
