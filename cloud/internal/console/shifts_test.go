package console_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/linshao/linshao/cloud/internal/access"
)

// Two dispatchers fill the same roster at once: every shift is there.
func TestShiftsEditedAtOnceAreAllKept(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	who := w.token(access.Dispatcher, "sunrise")
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			body := map[string]any{"estate": "sunrise", "roster": "day", "from": "08:00", "to": "20:00", "days": []string{"mon"}, "staff": []string{"li-wei"}}
			if got := w.ask("PUT", fmt.Sprintf("/api/v1/shifts/extra-%d", i), who, body); got.Code != http.StatusOK {
				t.Errorf("%d %s", got.Code, got.Body)
			}
		})
	}
	all.Wait()
	n := 0
	for _, r := range w.rosters {
		if r.Estate == "sunrise" && r.ID == "day" {
			n = len(r.Shifts)
		}
	}
	if n != 21 {
		t.Errorf("%d shifts, want 21", n)
	}
}
