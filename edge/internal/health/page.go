package health

import (
	"bytes"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
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
	Token   string
	Sources Sources
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
	inner.HandleFunc("GET /api/v1/tickets", func(w http.ResponseWriter, r *http.Request) { list(p, w, p.tickets(lang(r))) })
	inner.HandleFunc("GET /api/v1/devices", func(w http.ResponseWriter, _ *http.Request) { list(p, w, p.devices()) })
	inner.HandleFunc("GET /api/v1/outbox", func(w http.ResponseWriter, _ *http.Request) { p.json(w, p.outbox()) })
	inner.HandleFunc("GET /api/v1/quarantine", func(w http.ResponseWriter, _ *http.Request) { list(p, w, o.Sources.Quarantine()) })
	inner.HandleFunc("GET /page.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, pageFiles, "page.js") })
	inner.HandleFunc("GET /{$}", p.html)
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

// html sends the page. Its script is behind the token too, and a browser sends
// no Authorization of its own, so the address of the script carries it.
func (p page) html(w http.ResponseWriter, _ *http.Request) {
	b, err := pageFiles.ReadFile("page.html")
	if err != nil {
		p.o.Log.Error("read page", "err", err)
		http.Error(w, "see the log", http.StatusInternalServerError)
		return
	}
	if p.o.Token != "" {
		b = bytes.Replace(b, []byte(`"page.js"`), []byte(`"page.js?token=`+url.QueryEscape(p.o.Token)+`"`), 1)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(b) // the client is gone; nobody is left to tell
}

func (p page) health(w http.ResponseWriter, _ *http.Request) {
	bad := p.conditions()
	status := "ok"
	if len(bad) > 0 {
		status = "degraded"
	}
	p.json(w, map[string]any{"status": status, "conditions": bad})
}

func (p page) conditions() map[string]string {
	if bad := p.o.Sources.Conditions(); bad != nil {
		return bad
	}
	return map[string]string{}
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
		"estate": p.o.Estate, "edge": p.o.Edge, "version": p.o.Version, "conditions": p.conditions(),
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
			State: t.State, Condition: t.Condition, RaisedMS: t.RaisedMS, Occurrences: t.Occurrences, Assignee: t.Assignee,
			Evidence: some(t.Evidence),
		})
	}
	return out
}

func (p page) devices() []Device {
	all := slices.Clone(p.o.Sources.Devices())
	for i := range all {
		all[i].Values = some(all[i].Values)
	}
	return all
}

func (p page) outbox() Outbox {
	o := p.o.Sources.Outbox()
	o.Lanes, o.Dropped, o.Cloud.Capabilities = some(o.Lanes), some(o.Dropped), some(o.Cloud.Capabilities)
	return o
}

// some is what JSON shows as [] where there is nothing.
func some[T any](items []T) []T {
	if items == nil {
		return []T{}
	}
	return items
}

// lang is the language asked for by ?lang=, else the browser's.
func lang(r *http.Request) string {
	asked := r.URL.Query().Get("lang")
	if asked == "" {
		asked = r.Header.Get("Accept-Language")
	}
	if strings.HasPrefix(asked, "en") {
		return "en"
	}
	return "zh"
}

// list answers as the cloud's lists do.
func list[T any](p page, w http.ResponseWriter, items []T) {
	p.json(w, map[string]any{"items": some(items)})
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
