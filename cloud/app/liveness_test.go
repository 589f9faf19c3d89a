package app

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/ticket"
)

// pager is a webhook that passes on what it hears.
func pager(t *testing.T) (url string, heard <-chan string) {
	t.Helper()
	pages := make(chan string, 16)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		pages <- string(body)
	}))
	t.Cleanup(server.Close)
	return server.URL, pages
}

const town = `
estates: [{id: sunrise, name: 阳光花园, edges: [{id: s1}]}]
staff: [{id: wang-fang, name: 王芳, estate: sunrise, post: desk, channels: [{kind: webhook, url: "PAGER", secret: s3cret}]}]
`

// seen notes in the database that an edge was heard once.
func seen(t *testing.T, store *db.Store, atMS int64) {
	t.Helper()
	if err := store.InTx(t.Context(), func(tx *db.Tx) error { return tx.TouchEdge(t.Context(), "sunrise", "s1", atMS, true) }); err != nil {
		t.Fatal(err)
	}
}

// watcher is a liveness that looks when the test says so, by hands of its own,
// over a collector whose own one sees no time pass.
func watcher(c *cloud, hands *clock.Fake) *liveness {
	return newLiveness(c.store, c.desk, hands, c.log)
}

func look(t *testing.T, l *liveness) {
	t.Helper()
	if err := l.look(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// dark checks that there is one ticket about the estate, with this condition
// and so many occurrences.
func dark(t *testing.T, c *cloud, want ticket.Condition, occurrences int) {
	t.Helper()
	rows := tickets(t, c.store)
	if len(rows) != 1 || rows[0].Fault != ticket.EstateDark || rows[0].Condition != want || rows[0].Occurrences != occurrences {
		t.Fatalf("want one ticket, %s, %d occurrences: %+v", want, occurrences, rows)
	}
}

// An edge falls silent, somebody is paged, the collector is restarted in the
// middle of it, the edge comes back: one ticket, one story.
func TestASilentEdgeIsOneTicketFromDarkToLight(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	url, pages := pager(t)
	s.do(func(ctx context.Context, a *Admin) error {
		_, err := a.Import(ctx, ImportRequest{File: "town.yaml", Text: strings.Replace(town, "PAGER", url, 1)})
		return err
	})
	c, stop := s.run()
	hands := clock.NewFake(start)
	l := watcher(c, hands)
	seen(t, c.store, start.UnixMilli())
	hands.Advance(44 * time.Second)
	look(t, l)
	if rows := tickets(t, c.store); len(rows) != 0 {
		t.Fatalf("too early: %+v", rows)
	}
	hands.Advance(2 * time.Second)
	look(t, l)
	dark(t, c, ticket.Active, 1)
	if page := <-pages; !strings.Contains(page, `"fault":"estate_dark"`) || !strings.Contains(page, "/a/lsl_") {
		t.Errorf("paged %s", page)
	}
	if e, _, err := c.store.Read().Edge(t.Context(), "sunrise", "s1"); err != nil || e.Online {
		t.Errorf("shown as online: %+v, %v", e, err)
	}
	look(t, l)
	stop()

	hands.Advance(time.Minute)
	c, _ = s.run()
	l = watcher(c, hands)
	look(t, l)
	dark(t, c, ticket.Active, 1) // nothing was heard: nothing is better
	hands.Advance(time.Minute)
	look(t, l)
	dark(t, c, ticket.Active, 1)

	l.connected(edgeID{"sunrise", "s1"}, true)
	look(t, l)
	dark(t, c, ticket.Cleared, 1)
	hands.Advance(time.Hour)
	look(t, l)
	dark(t, c, ticket.Cleared, 1) // connected is alive

	l.connected(edgeID{"sunrise", "s1"}, false)
	hands.Advance(46 * time.Second)
	look(t, l)
	dark(t, c, ticket.Active, 2)
}

func TestAnEdgeThatNeverCameIsNotMissed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.do(func(ctx context.Context, a *Admin) error {
		_, err := a.Import(ctx, ImportRequest{File: "town.yaml", Text: strings.Replace(town, "PAGER", "http://127.0.0.1:9", 1)})
		return err
	})
	c, _ := s.run()
	hands := clock.NewFake(start)
	l := watcher(c, hands)
	hands.Advance(time.Hour)
	look(t, l)
	if rows := tickets(t, c.store); len(rows) != 0 {
		t.Errorf("%+v", rows)
	}
}
