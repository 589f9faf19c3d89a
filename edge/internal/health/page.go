package health

import (
	"crypto/subtle"
	"embed"
	"encoding/json"
	"log/slog"
	"net/http"
	"strings"

	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/title"
)

//go:embed page.html page.js
var pageFiles embed.FS

// Options make a page.
type Options struct {
	Estate, Edge, Version string
	// Token, where set, is demanded as "Authorization: Bearer" or ?token=.
	Token      string
	Sources    Sources
	Conditions *Conditions
	// Ready reports whether the daemon does its job.
	Ready   func() bool
	Metrics http.Handler
	Log     *slog.Logger
}

// New returns the edge's HTTP face.
func New(o Options) http.Handler {
	p := page{o}
	open := http.NewServeMux()
	open.HandleFunc("GET /healthz", p.health)
	open.HandleFunc("GET /readyz", p.ready)
	inner := http.NewServeMux()
	inner.Handle("GET /metrics", o.Metrics)
	inner.HandleFunc("GET /api/v1/status", p.status)
	inner.HandleFunc("GET /api/v1/tickets", func(w http.ResponseWriter, r *http.Request) { p.list(w, p.tickets(lang(r))) })
	inner.HandleFunc("GET /api/v1/devices", func(w http.ResponseWriter, _ *http.Request) { p.list(w, o.Sources.Devices()) })
	inner.HandleFunc("GET /api/v1/outbox", func(w http.ResponseWriter, _ *http.Request) { p.json(w, o.Sources.Outbox()) })
	inner.HandleFunc("GET /api/v1/quarantine", func(w http.ResponseWriter, _ *http.Request) { p.list(w, o.Sources.Quarantine()) })
	inner.HandleFunc("GET /page.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pageFiles, "page.js") })
	inner.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pageFiles, "page.html") })
	open.Handle("/", p.guard(inner))
	return open
}

type page struct{ o Options }

// guard demands the token, where there is one.
func (p page) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer") // the token may stand in the address
		if p.o.Token != "" && !p.knows(r) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			http.Error(w, "this page needs its token: ?token=… or Authorization: Bearer …", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (p page) knows(r *http.Request) bool {
	given := r.URL.Query().Get("token")
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		given = token
	}
	return subtle.ConstantTimeCompare([]byte(given), []byte(p.o.Token)) == 1
}

func (p page) health(w http.ResponseWriter, _ *http.Request) {
	bad := p.o.Conditions.Bad()
	status := "ok"
	if len(bad) > 0 {
		status = "degraded"
	}
	p.json(w, map[string]any{"status": status, "conditions": bad})
}

func (p page) ready(w http.ResponseWriter, _ *http.Request) {
	if !p.o.Ready() {
		http.Error(w, "not ready", http.StatusServiceUnavailable)
		return
	}
	p.json(w, map[string]string{"status": "ready"})
}

func (p page) status(w http.ResponseWriter, _ *http.Request) {
	p.json(w, map[string]any{
		"estate": p.o.Estate, "edge": p.o.Edge, "version": p.o.Version, "conditions": p.o.Conditions.Bad(),
	})
}

// localTicket is an open ticket as the page and its JSON show it.
type localTicket struct {
	ID          ticket.ID         `json:"id"`
	Device      string            `json:"device"`
	Location    string            `json:"location"`
	Fault       ticket.Fault      `json:"fault"`
	Title       string            `json:"title"`
	Severity    ticket.Severity   `json:"severity"`
	State       ticket.State      `json:"state"`
	Condition   ticket.Condition  `json:"condition"`
	RaisedMS    int64             `json:"raised_ms"`
	Occurrences int               `json:"occurrences"`
	Assignee    string            `json:"assignee"`
	Evidence    []ticket.Evidence `json:"evidence"`
}

func (p page) tickets(lang string) []localTicket {
	out := []localTicket{}
	for _, t := range p.o.Sources.Tickets() {
		out = append(out, localTicket{
			ID: t.ID, Device: t.Device, Location: t.Location, Fault: t.Fault, Title: title.Text(t.Title, lang), Severity: t.Severity,
			State: t.State, Condition: t.Condition, RaisedMS: t.RaisedMS, Occurrences: t.Occurrences, Assignee: t.Assignee, Evidence: t.Evidence,
		})
	}
	return out
}

func lang(r *http.Request) string {
	if r.URL.Query().Get("lang") == "en" || strings.HasPrefix(r.Header.Get("Accept-Language"), "en") {
		return "en"
	}
	return "zh"
}

// list answers as the cloud's lists do.
func (p page) list(w http.ResponseWriter, items any) {
	p.json(w, map[string]any{"items": items})
}

func (p page) json(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		p.o.Log.Error("encode answer", "err", err)
		http.Error(w, "see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b) // the client is gone; nobody is left to tell
}
