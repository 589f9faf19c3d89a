package health_test

import (
	"encoding/json"
	"io/fs"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/linshao/linshao/edge/internal/health"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// newPage returns a page over a quiet edge that a story may change.
func newPage(t *testing.T, change func(*health.Options)) http.Handler {
	t.Helper()
	o := health.Options{
		Estate: "sunrise", Edge: "e1", Version: "0.1.0",
		Sources: health.Sources{
			Conditions: func() map[string]string { return nil },
			Tickets:    func() []ticket.Ticket { return nil }, Devices: func() []health.Device { return nil },
			Outbox: func() health.Outbox { return health.Outbox{} }, Quarantine: func() []health.Quarantined { return nil },
		},
		Ready:   func() bool { return true },
		Metrics: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("linshao_edge_build_info 1\n")) }),
		Log:     slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	if change != nil {
		change(&o)
	}
	return health.New(o)
}

func get(h http.Handler, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, target, nil)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

const token = "0123456789+/ token"

// paths are all that the page answers; open ones need no token.
var paths = []struct {
	path, contains, contentType string
	open                        bool
}{
	{"/healthz", `{"conditions":{},"status":"ok"}`, "application/json", true},
	{"/readyz", `{"status":"ready"}`, "application/json", true},
	{"/metrics", "linshao_edge_build_info 1", "text/plain; charset=utf-8", false},
	{"/api/v1/status", `{"conditions":{},"edge":"e1","estate":"sunrise","version":"0.1.0"}`, "application/json", false},
	{"/api/v1/tickets", `{"items":[]}`, "application/json", false},
	{"/api/v1/devices", `{"items":[]}`, "application/json", false},
	{"/api/v1/outbox", `"lanes":[]`, "application/json", false},
	{"/api/v1/quarantine", `{"items":[]}`, "application/json", false},
	{"/", "<!doctype html>", "text/html; charset=utf-8", false},
	{"/page.js", "fetch(", "text/javascript; charset=utf-8", false},
}

func TestEveryPathAnswers(t *testing.T) {
	t.Parallel()
	h := newPage(t, nil)
	for _, p := range paths {
		w := get(h, p.path)
		if w.Code != 200 || !strings.Contains(w.Body.String(), p.contains) || w.Header().Get("Content-Type") != p.contentType {
			t.Errorf("%s: %d %s %s", p.path, w.Code, w.Header().Get("Content-Type"), w.Body)
		}
		if strings.Contains(w.Body.String(), "null") && p.contentType == "application/json" {
			t.Errorf("%s: %s", p.path, w.Body)
		}
	}
	if w := get(h, "/nothing"); w.Code != 404 {
		t.Errorf("/nothing: %d", w.Code)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/api/v1/tickets", nil))
	if w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
}

func TestTheTokenGuardsAllButHealth(t *testing.T) {
	t.Parallel()
	h := newPage(t, func(o *health.Options) { o.Token = token })
	for _, p := range paths {
		for name, c := range map[string]struct {
			target, authorization string
			in                    bool
		}{
			"nothing":      {p.path, "", false},
			"empty":        {p.path + "?token=", "Bearer ", false},
			"a beginning":  {p.path, "Bearer 0123456789", false},
			"more":         {p.path, "Bearer " + token + "x", false},
			"other scheme": {p.path, "Basic " + token, false},
			"bearer":       {p.path, "Bearer " + token, true},
			"small bearer": {p.path, "bearer " + token, true},
			"address":      {p.path + "?token=0123456789%2B%2F+token", "", true},
		} {
			w := get(h, c.target, "Authorization", c.authorization)
			want := 401
			if c.in || p.open {
				want = 200
			}
			if w.Code != want {
				t.Errorf("%s, %s: %d, want %d", p.path, name, w.Code, want)
			}
			if want == 401 && (w.Header().Get("WWW-Authenticate") != "Bearer" || strings.Contains(w.Body.String(), p.contains)) {
				t.Errorf("%s, %s: %v %s", p.path, name, w.Header(), w.Body)
			}
		}
	}
	if w := get(h, "/nothing"); w.Code != 401 {
		t.Errorf("a path that is not there: %d, and so tells strangers what is", w.Code)
	}
}

// A browser loads the script without a header of ours, so its address must
// carry the token that the page was asked for with.
func TestThePagesScriptLoadsBehindAToken(t *testing.T) {
	t.Parallel()
	for _, tok := range []string{"", token} {
		h := newPage(t, func(o *health.Options) { o.Token = tok })
		w := get(h, "/", "Authorization", "Bearer "+tok)
		m := regexp.MustCompile(`<script src="([^"]+)"`).FindStringSubmatch(w.Body.String())
		if m == nil {
			t.Fatalf("no script in %s", w.Body)
		}
		if w := get(h, "/"+m[1]); w.Code != 200 {
			t.Errorf("script %s: %d", m[1], w.Code)
		}
	}
}

// The page must work in an estate without a way out.
func TestThePageIsSmallAndAsksNobodyElse(t *testing.T) {
	t.Parallel()
	total := 0
	for _, name := range []string{"page.html", "page.js"} {
		b, err := fs.ReadFile(os.DirFS("."), name)
		if err != nil {
			t.Fatal(err)
		}
		total += len(b)
		if m := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9.-]+\.[a-z]|@import|url\(`).Find(b); m != nil {
			t.Errorf("%s asks for %s", name, m)
		}
	}
	if total >= 100_000 {
		t.Errorf("%d bytes", total)
	}
	csp := get(newPage(t, nil), "/").Header().Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'self'") || !strings.Contains(csp, "frame-ancestors 'none'") {
		t.Errorf("policy %q", csp)
	}
}

func TestHealthTellsConditionsAndReadiness(t *testing.T) {
	t.Parallel()
	bad, ready := map[string]string{}, false
	h := newPage(t, func(o *health.Options) {
		o.Sources.Conditions, o.Ready = func() map[string]string { return bad }, func() bool { return ready }
	})
	if w := get(h, "/readyz"); w.Code != 503 {
		t.Errorf("not ready: %d", w.Code)
	}
	ready = true
	if w := get(h, "/readyz"); w.Code != 200 {
		t.Errorf("ready: %d", w.Code)
	}
	bad["disk"] = "full"
	if w := get(h, "/healthz"); w.Code != 200 || w.Body.String() != `{"conditions":{"disk":"full"},"status":"degraded"}` {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(h, "/api/v1/status"); !strings.Contains(w.Body.String(), `"conditions":{"disk":"full"}`) {
		t.Errorf("%s", w.Body)
	}
	delete(bad, "disk")
	if w := get(h, "/healthz"); w.Body.String() != `{"conditions":{},"status":"ok"}` {
		t.Errorf("%s", w.Body)
	}
}

func TestTicketsAreShownInTheAskersLanguage(t *testing.T) {
	t.Parallel()
	h := newPage(t, func(o *health.Options) {
		o.Sources.Tickets = func() []ticket.Ticket {
			var x ticket.Ticket
			x.ID, x.Fault, x.Title.Code, x.State, x.Device = "t1", ticket.Entrapment, "entrapment", ticket.Open, "lift-1"
			return []ticket.Ticket{x}
		}
	})
	zh, en := get(h, "/api/v1/tickets").Body.String(), get(h, "/api/v1/tickets", "Accept-Language", "en-GB,zh;q=0.5").Body.String()
	if zh == en || !strings.Contains(zh, "困") || !strings.Contains(zh, `"evidence":[]`) {
		t.Errorf("zh %s\nen %s", zh, en)
	}
	if got := get(h, "/api/v1/tickets?lang=zh", "Accept-Language", "en").Body.String(); got != zh {
		t.Errorf("what the address asks for does not count: %s", got)
	}
	if got := get(h, "/api/v1/tickets?lang=en").Body.String(); got != en {
		t.Errorf("%s", got)
	}
}

// A device without values, a word, a failed read, and what JSON cannot say.
func TestDeviceValues(t *testing.T) {
	t.Parallel()
	sample := func(v float64, change func(*telemetry.Sample)) health.Value {
		s := telemetry.Sample{Key: telemetry.SeriesKey{Metric: "m"}, AtMS: 7, Value: v}
		if change != nil {
			change(&s)
		}
		return health.ValueOf(s, "°C", "")
	}
	h := newPage(t, func(o *health.Options) {
		o.Sources.Devices = func() []health.Device {
			return []health.Device{{ID: "a"}, {ID: "b", Values: []health.Value{
				sample(61.5, nil), sample(math.NaN(), nil), sample(math.Inf(1), nil),
				sample(3, func(s *telemetry.Sample) { s.Quality, s.Reason = telemetry.Bad, "timeout" }),
				health.ValueOf(telemetry.Sample{Value: 1}, "", "open"),
			}}}
		}
	})
	var got struct{ Items []health.Device }
	w := get(h, "/api/v1/devices")
	if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	if len(got.Items) != 2 || got.Items[0].Values == nil {
		t.Fatalf("%s", w.Body)
	}
	v := got.Items[1].Values
	if v[0].Value == nil || *v[0].Value != 61.5 || v[0].Unit != "°C" || v[0].AtMS != 7 {
		t.Errorf("%+v", v[0])
	}
	for i := 1; i <= 3; i++ {
		if v[i].Value != nil {
			t.Errorf("value %d is %v", i, *v[i].Value)
		}
	}
	if v[3].Quality != "bad" || v[3].Reason != "timeout" || v[4].Text != "open" {
		t.Errorf("%+v", v)
	}
}
