package console

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"strings"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/protocol/ticket"
)

//go:embed pages/*.html
var pageFiles embed.FS

// templates are parsed where they are used first; a broken one fails New's
// tests, not a request.
func templates() *template.Template {
	return template.Must(template.ParseFS(pageFiles, "pages/*.html"))
}

// registerPages adds what people open in a browser.
func (c *Console) registerPages(web fs.FS) {
	t := templates()
	c.mux.HandleFunc("GET /api/docs", func(w http.ResponseWriter, _ *http.Request) {
		c.render(w, http.StatusOK, t, "docs.html", docsOf(c.api.OpenAPI()))
	})
	c.mux.HandleFunc("GET /a/{token}", func(w http.ResponseWriter, r *http.Request) { c.acknowledge(w, r, t, false) })
	c.mux.HandleFunc("POST /a/{token}", func(w http.ResponseWriter, r *http.Request) { c.acknowledge(w, r, t, true) })
	// Grafana asks by POST, with the query in the body; nothing is changed.
	for _, method := range []string{"GET ", "POST "} {
		c.mux.HandleFunc(method+"/prometheus/api/v1/", c.prometheus)
	}
	if web != nil {
		c.mux.Handle("GET /", c.static(web))
	}
}

// The two pages of the built console.
const deskPage, phonePage = "index.html", "m.html"

// static serves the built console: files as they are, /m and below by the
// phone's page, everything else by the dispatcher's.
func (c *Console) static(web fs.FS) http.Handler {
	files := http.FileServerFS(web)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(path.Clean(r.URL.Path), "/")
		info, err := fs.Stat(web, name)
		switch {
		case name == phonePage, name == "m", strings.HasPrefix(name, "m/"):
			c.servePage(w, r, web, phonePage)
		case err == nil && !info.IsDir() && name != deskPage:
			if strings.HasPrefix(name, "assets/") { // names carry a hash of the content
				w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			}
			files.ServeHTTP(w, r)
		case strings.HasPrefix(name, "api/"), strings.HasPrefix(name, "assets/"):
			c.plainError(w, r, errNotFound)
		default:
			c.servePage(w, r, web, deskPage)
		}
	})
}

// demoMark tells the console to say on every page that nothing is real.
const demoMark = `<meta name="linshao-demo" content="true">`

func (c *Console) servePage(w http.ResponseWriter, r *http.Request, web fs.FS, name string) {
	page, err := fs.ReadFile(web, name)
	if err != nil {
		c.plainError(w, r, err)
		return
	}
	if c.demo {
		page = bytes.Replace(page, []byte("</head>"), []byte(demoMark+"</head>"), 1)
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	_, _ = w.Write(page) // the client is gone; nobody is left to tell
}

// ackPage is what the acknowledge page shows.
type ackPage struct {
	Title, Location, State, Who, Error string
	Severity                           string
	RaisedAt                           string
	CanAccept                          bool
}

// acknowledge shows a ticket to whoever holds a page's link. GET only shows:
// previewers fetch links. POST accepts.
func (c *Console) acknowledge(w http.ResponseWriter, r *http.Request, t *template.Template, post bool) {
	p, err := c.door.ByLink(r.Context(), r.PathValue("token"))
	if errors.Is(err, access.ErrUnknown) {
		c.render(w, http.StatusNotFound, t, "ack.html", ackPage{Error: "链接已失效或不存在 · This link has expired or does not exist"})
		return
	}
	if err != nil {
		c.plainError(w, r, err)
		return
	}
	row, ok, err := c.tickets.Ticket(r.Context(), p.Scope, ticket.ID(p.Ticket))
	if err == nil && !ok {
		err = errNotFound
	}
	if err != nil {
		c.plainError(w, r, err)
		return
	}
	page := ackPage{}
	if post && row.Ticket.State == ticket.Open {
		row, err = c.desk.Act(r.Context(), Act{Estate: row.Ticket.Estate, Ticket: row.Ticket.ID, Kind: ticket.Accept, By: ticket.Actor{Kind: ticket.ByStaff, ID: p.Staff}})
		var no *ticket.NotAllowedError
		if err != nil && !errors.As(err, &no) {
			c.plainError(w, r, err)
			return
		}
		if no != nil {
			page.Error = no.Error()
			if row, _, err = c.tickets.Ticket(r.Context(), p.Scope, ticket.ID(p.Ticket)); err != nil {
				c.plainError(w, r, err)
				return
			}
		}
	}
	v := row.view(c.zoneOf(r.Context(), row.Ticket.Estate), "zh")
	page.Title, page.Location, page.State, page.Who, page.Severity = v.Title.Text, v.Location, v.State, v.Assignee, v.Severity
	page.CanAccept = row.Ticket.State == ticket.Open
	if v.RaisedAt != nil {
		page.RaisedAt = v.RaisedAt.Format("01-02 15:04:05")
	}
	c.render(w, http.StatusOK, t, "ack.html", page)
}

func (c *Console) render(w http.ResponseWriter, status int, t *template.Template, name string, data any) {
	var buf writeBuffer
	if err := t.ExecuteTemplate(&buf, name, data); err != nil {
		c.log.Error("render page", "page", name, "err", err)
		http.Error(w, "page failed, see the log", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(buf) // the client is gone; nobody is left to tell
}

// plainError answers a Problem outside of huma's operations.
func (c *Console) plainError(w http.ResponseWriter, r *http.Request, err error) {
	var p *Problem
	if !errors.As(c.fail(r.Context(), err), &p) {
		p = problem(http.StatusInternalServerError, "internal", "something failed here; it is in the log")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = marshalBuffered(w, p) // the client is gone; nobody is left to tell
}

// secureHeaders tells browsers to run nothing that is not ours.
func secureHeaders(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; img-src 'self' data:; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		next.ServeHTTP(w, r)
	})
}
