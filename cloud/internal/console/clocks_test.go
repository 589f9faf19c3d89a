package console_test

import (
	"strings"
	"testing"

	"github.com/linshao/linshao/cloud/internal/access"
)

// One device tells on which days its times were odd, to who may see it; what
// no calendar has is null.
func TestADeviceTellsWhenItsClockWasWrong(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	mine := w.token(access.Viewer, "sunrise")
	const want = `"clock":[{"day":"2026-11-21","samples":7,"corrected":5,"untrusted":0,"disbelieved":0,"late":2,"most_ms":31536000000,"first_at":"2026-11-22T`
	got := w.ask("GET", "/api/v1/devices/sunrise:lift-1", mine, nil)
	if got.Code != 200 || !strings.Contains(got.Body.String(), want) || !strings.Contains(got.Body.String(), `"last_at":null`) {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	for path, want := range map[string]int{"/api/v1/devices/heping:lift-1": 404, "/api/v1/devices/sunrise:lift-1": 401} {
		token := mine
		if want == 401 {
			token = ""
		}
		if got := w.ask("GET", path, token, nil); got.Code != want || strings.Contains(got.Body.String(), `"clock"`) {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
	}
	if got := w.ask("GET", "/api/v1/devices", mine, nil).Body.String(); strings.Contains(got, `"clock"`) {
		t.Errorf("the list tells it too: %s", got)
	}
}
