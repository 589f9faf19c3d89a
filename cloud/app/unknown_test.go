package app

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/ticket"
)

// A pager that takes the page and dies before it answers leaves its outcome
// unknown: the page is sent again, under the key that it had.
func TestAPageWhoseAnswerIsLostIsSentAgainUnderItsKey(t *testing.T) {
	t.Parallel()
	keys := make(chan string, 16)
	first := true
	pager := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		keys <- r.Header.Get("Idempotency-Key")
		if !first {
			return
		}
		first = false
		if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
			_ = conn.Close()
		}
	}))
	t.Cleanup(pager.Close)
	s := newSite(t)
	c, _ := s.run()
	s.do(func(ctx context.Context, a *Admin) error {
		_, err := a.Import(ctx, ImportRequest{File: "town.yaml", Text: strings.Replace(town, "PAGER", pager.URL, 1)})
		return err
	})
	raise(t, c, ticket.Entrapment)
	key := <-keys
	again := ""
	for again != key { // other steps may come between
		select {
		case again = <-keys:
		case <-time.After(time.Millisecond):
			s.clock.Advance(100 * time.Millisecond)
		}
	}
	d, ok, err := c.store.Read().Delivery(t.Context(), "sunrise", key)
	if !ok || err != nil || d.Attempts[0].Outcome != "unknown" {
		t.Errorf("%+v, %v", d, err)
	}
}
