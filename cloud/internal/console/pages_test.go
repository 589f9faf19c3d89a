package console_test

import (
	"net/http"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/linshao/linshao/cloud/internal/console"
)

// webTown is a town with a built console, real or a demo.
func webTown(t *testing.T, demo bool) *town {
	t.Helper()
	w := newTown(t)
	o := w.built
	o.Demo = demo
	o.Web = fstest.MapFS{
		"index.html":       {Data: []byte("<!doctype html><html><head><title>desk</title></head><body></body></html>")},
		"m.html":           {Data: []byte("<!doctype html><html><head><title>phone</title></head><body></body></html>")},
		"assets/a-1234.js": {Data: []byte("x")},
	}
	w.console = console.New(o)
	return w
}

func TestPagesAreServedByTheirPaths(t *testing.T) {
	t.Parallel()
	w := webTown(t, false)
	for path, want := range map[string]string{
		"/": "desk", "/tickets/t-1": "desk", "/index.html": "desk", "/m": "phone", "/m/tickets/t-1": "phone", "/m.html": "phone",
	} {
		got := w.ask("GET", path, "", nil)
		if got.Code != http.StatusOK || !strings.Contains(got.Body.String(), want) || strings.Contains(got.Body.String(), "linshao-demo") {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
		if c := got.Header().Get("Cache-Control"); c != "no-cache" {
			t.Errorf("%s may be kept: %q", path, c)
		}
		if c := got.Header().Get("Content-Type"); c != "text/html; charset=utf-8" {
			t.Errorf("%s is %q", path, c)
		}
	}
	if got := w.ask("GET", "/assets/a-1234.js", "", nil); got.Code != http.StatusOK || !strings.Contains(got.Header().Get("Cache-Control"), "immutable") {
		t.Errorf("asset: %d %v", got.Code, got.Header())
	}
	// A page of yesterday asks for a script of yesterday: a page in its place
	// would be a riddle.
	for _, path := range []string{"/assets/a-0000.js", "/api/v1/nothing"} {
		if got := w.ask("GET", path, "", nil); got.Code != http.StatusNotFound {
			t.Errorf("%s: %d", path, got.Code)
		}
	}
}

func TestADemoSaysSoOnEveryPage(t *testing.T) {
	t.Parallel()
	w := webTown(t, true)
	for _, path := range []string{"/", "/index.html", "/m", "/m.html", "/somewhere"} {
		head, _, _ := strings.Cut(w.ask("GET", path, "", nil).Body.String(), "</head>")
		if !strings.Contains(head, `<meta name="linshao-demo" content="true">`) {
			t.Errorf("%s: %s", path, head)
		}
	}
}
