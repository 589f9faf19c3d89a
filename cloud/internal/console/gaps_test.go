package console_test

import (
	"strings"
	"testing"

	"github.com/linshao/linshao/cloud/internal/access"
)

func TestWhatAnEdgeLostIsToldToWhoMaySeeIt(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	mine := w.token(access.Viewer, "sunrise")
	for _, path := range []string{"/api/v1/gaps", "/api/v1/gaps?estate=sunrise&edge=e1", "/api/v1/gaps?device=sunrise:lift-1"} {
		got := w.ask("GET", path, mine, nil)
		if got.Code != 200 || strings.Contains(got.Body.String(), "heping") || !strings.Contains(got.Body.String(), `"records":1200,"reason":"dropped_full","from":"2026-`) {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
	}
	for path, want := range map[string]string{
		"/api/v1/gaps?device=sunrise:lift-1&edge=other": `{"items":[]}`, "/api/v1/gaps?device=heping:lift-1": `"status":404`,
		"/api/v1/gaps?from=yesterday": "neither RFC 3339", "/api/v1/gaps?from=2030-01-01T00:00:00Z": `{"items":[]}`,
		"/api/v1/edges": `"lost":{"gaps":2,"records":1200,"last_at":"2026-`,
	} {
		if got := w.ask("GET", path, mine, nil).Body.String(); !strings.Contains(got, want) {
			t.Errorf("%s: %s", path, got)
		}
	}
}

func TestTheLatestValueTellsAllItsTimes(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	got := w.ask("GET", "/api/v1/devices/sunrise:lift-1/latest", w.token(access.Viewer, "sunrise"), nil).Body.String()
	for _, want := range []string{`"device_at":"2026-`, `"edge_at":"2026-`, `"received_at":"2026-`, `"marks":["receive_time","clock_corrected"]`} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
}
