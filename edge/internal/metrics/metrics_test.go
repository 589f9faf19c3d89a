package metrics_test

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
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
	scraped := scrape(s)
	for _, want := range []string{
		`linshao_edge_samples_total{driver="modbus",quality="good"} 3`, "linshao_edge_poll_seconds_count 1",
		`linshao_edge_poll_errors_total{reason="timeout"} 1`, `linshao_edge_device_up{device="lift-1"} 1`,
		`linshao_edge_findings_total{rule="entrapment"} 1`, `linshao_edge_dropped_total{reason="poll_skipped"} 1`,
		`linshao_edge_outbox_records{lane="alarm"} 7`, `linshao_edge_build_info{version="0.1.0"} 1`,
	} {
		if !strings.Contains(scraped, want+"\n") {
			t.Errorf("%s is missing", want)
		}
	}
}

func scrape(s *metrics.Set) string {
	w := httptest.NewRecorder()
	s.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	return w.Body.String()
}

// What another part counts is fetched at the scrape, added to what was counted
// here, and never counts backwards.
func TestWhatIsCountedElsewhereIsBroughtUpToDateByTheScrape(t *testing.T) {
	t.Parallel()
	s := metrics.New("0.1.0")
	totals := map[string]uint64{"dropped_full": 0, "lost": 2}
	s.OnScrape(func() { s.DroppedSince(totals) })
	s.Dropped("lost", 1)
	for i, c := range []struct{ full, lost uint64 }{{0, 2}, {7, 2}, {7, 2}, {3, 5}} {
		totals["dropped_full"], totals["lost"] = c.full, c.lost
		got := scrape(s)
		full := []uint64{0, 7, 7, 7}[i]
		for _, want := range []string{
			fmt.Sprintf(`linshao_edge_dropped_total{reason="dropped_full"} %d`, full),
			fmt.Sprintf(`linshao_edge_dropped_total{reason="lost"} %d`, c.lost+1),
		} {
			if !strings.Contains(got, want+"\n") {
				t.Errorf("scrape %d: %s is missing", i, want)
			}
		}
	}
}

func TestManyMayScrapeAtOnce(t *testing.T) {
	t.Parallel()
	s := metrics.New("0.1.0")
	var n atomic.Uint64
	s.OnScrape(func() { s.DroppedSince(map[string]uint64{"lost": n.Add(1)}) })
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { scrape(s) })
	}
	all.Wait()
	if got := scrape(s); !strings.Contains(got, `reason="lost"} 9`+"\n") {
		t.Error(got)
	}
}

func TestADeviceThatIsGoneIsDown(t *testing.T) {
	t.Parallel()
	s := metrics.New("0.1.0")
	s.Up("lift-1", true)
	s.Up("lift-1", false)
	if got := scrape(s); !strings.Contains(got, `linshao_edge_device_up{device="lift-1"} 0`+"\n") {
		t.Error(got)
	}
}
