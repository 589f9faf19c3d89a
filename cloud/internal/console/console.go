// Package console is the HTTP face of the cloud: the API (huma on ServeMux;
// the OpenAPI document is generated from the Go types of this package), the
// event stream, the acknowledge page and the built console itself.
//
// It decides nothing about tickets or duty: it finds out who asks (package
// access), asks the small interfaces of stores.go, and shows the answer. Every
// operation but sign-in demands a principal; every list is scoped in the store,
// every single thing is checked here, and what somebody may not see answers 404
// as if it did not exist.
package console

import (
	"context"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"reflect"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/fleet"
)

// Options is everything the console needs; all fields are required unless
// they say otherwise.
type Options struct {
	Door     *access.Door
	Fleet    Fleet
	Tickets  Tickets
	Desk     Desk
	Planning Planning
	Series   Series
	Latest   Latest
	Changes  Changes
	Sessions *Sessions
	// Prometheus answers PromQL for a scope; nil where the backend cannot.
	Prometheus func(access.Scope) http.Handler
	// Web is the built console; nil serves the API alone.
	Web       fs.FS
	PublicURL string
	Version   string
	// Demo is shown as a banner on every page.
	Demo  bool
	NowMS func() int64
	Log   *slog.Logger
}

// Console serves HTTP.
type Console struct {
	door      *access.Door
	fleet     Fleet
	tickets   Tickets
	desk      Desk
	planning  Planning
	series    Series
	latest    Latest
	changes   Changes
	sessions  *Sessions
	prom      func(access.Scope) http.Handler
	publicURL string
	demo      bool
	nowMS     func() int64
	log       *slog.Logger
	api       huma.API
	mux       *http.ServeMux
	handler   http.Handler
	// editing keeps two edits of shifts from losing one of them: a shift is
	// changed by reading and writing its roster.
	editing sync.Mutex
	// ending is closed when the streams shall end.
	ending     chan struct{}
	endStreams func()
}

// New returns a Console that serves everything below "/".
func New(o Options) *Console {
	teachHuma()
	c := &Console{
		door: o.Door, fleet: o.Fleet, tickets: o.Tickets, desk: o.Desk, planning: o.Planning, series: o.Series, latest: o.Latest,
		changes: o.Changes, sessions: o.Sessions, prom: o.Prometheus, publicURL: o.PublicURL, demo: o.Demo, nowMS: o.NowMS,
		log: o.Log.With("component", "console"), mux: http.NewServeMux(), ending: make(chan struct{}),
	}
	c.endStreams = sync.OnceFunc(func() { close(c.ending) })
	c.api = humago.New(c.mux, apiConfig(o.Version))
	c.api.UseMiddleware(c.guard)
	c.registerAuth()
	c.registerFleet()
	c.registerTickets()
	c.registerPlanning()
	c.registerDuty()
	c.registerSeries()
	c.registerStream()
	c.registerPages(o.Web)
	// Cookies are only sent along by a browser; a cross-origin write with
	// one is refused, writes with tokens and without an Origin pass.
	c.handler = secureHeaders(http.NewCrossOriginProtection().Handler(c.mux))
	return c
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// EndStreams ends the event streams, which otherwise stay open for as long as
// somebody looks. It may be called more than once.
func (c *Console) EndStreams() { c.endStreams() }

// OpenAPI returns the API's description as JSON.
func (c *Console) OpenAPI() ([]byte, error) { return c.api.OpenAPI().MarshalJSON() }

func apiConfig(version string) huma.Config {
	cfg := huma.DefaultConfig("Linshao", version)
	cfg.Info.Description = "邻哨: devices, tickets, duty and deliveries of housing estates. Times are RFC 3339 with offset; lists are paged by cursor; errors are RFC 9457 problem details with a stable code."
	cfg.OpenAPIPath = "/api/openapi"
	cfg.DocsPath = "" // /api/docs is our own page: no script from elsewhere
	cfg.SchemasPath = ""
	cfg.CreateHooks = nil // no $schema links in answers
	cfg.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer"},
		"session": {Type: "apiKey", In: "cookie", Name: cookieName},
	}
	cfg.Formats = map[string]huma.Format{"application/json": jsonFormat, "json": jsonFormat}
	cfg.DefaultFormat = "application/json"
	return cfg
}

// jsonFormat marshals into a buffer before a byte is sent: huma would send
// status 200 and then fail on a value JSON cannot hold.
var jsonFormat = huma.Format{Marshal: marshalBuffered, Unmarshal: huma.DefaultJSONFormat.Unmarshal}

func marshalBuffered(w io.Writer, v any) error {
	var buf writeBuffer
	if err := huma.DefaultJSONFormat.Marshal(&buf, v); err != nil {
		return err
	}
	_, err := w.Write(buf)
	return err
}

type writeBuffer []byte

func (b *writeBuffer) Write(p []byte) (int, error) {
	*b = append(*b, p...)
	return len(p), nil
}

// signedIn is the security of every operation but sign-in.
func signedIn() []map[string][]string {
	return []map[string][]string{{"token": {}}, {"session": {}}}
}

// register adds an operation that demands a principal and whose errors become
// Problems.
func register[I, O any](c *Console, op huma.Operation, f func(context.Context, *I) (*O, error)) {
	op.Security = signedIn()
	huma.Register(c.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := f(ctx, in)
		if err != nil {
			return nil, c.fail(ctx, err)
		}
		return out, nil
	})
}

// streamed describes the answer of an operation that writes it by itself: a
// body of type t, and other forms of it that are text.
func (c *Console) streamed(mediaType string, t reflect.Type, others ...string) map[string]*huma.Response {
	content := map[string]*huma.MediaType{mediaType: {Schema: c.api.OpenAPI().Components.Schemas.Schema(t, true, "")}}
	for _, o := range others {
		content[o] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	}
	return map[string]*huma.Response{"200": {Description: "OK", Content: content}}
}

func unwrap(ctx huma.Context) (*http.Request, http.ResponseWriter) { return humago.Unwrap(ctx) }

// allow fails unless the caller may do a to t. What they may not even see
// does not exist for them.
func allow(ctx context.Context, a access.Action, t access.Target) error {
	p := who(ctx)
	if access.May(p, a, t) {
		return nil
	}
	if a != access.See && access.May(p, access.See, t) {
		return errForbidden
	}
	return errNotFound
}

// zoneOf returns an estate's time zone; one that is unknown or broken is
// shown as Shanghai's.
func (c *Console) zoneOf(ctx context.Context, estate string) zone {
	e, ok, err := c.fleet.Estate(ctx, estate)
	if err != nil || !ok {
		e = fleet.Estate{}
	}
	return zoneNamed(e.Timezone)
}

func zoneNamed(name string) zone {
	if name == "" {
		name = "Asia/Shanghai"
	}
	loc, err := time.LoadLocation(name)
	if err != nil {
		loc = time.FixedZone("CST", 8*3600)
	}
	return zone{loc}
}

// zones answers zoneOf with one look-up an estate.
type zones struct {
	c     *Console
	known map[string]zone
}

func (c *Console) zones() zones { return zones{c, map[string]zone{}} }

func (z zones) of(ctx context.Context, estate string) zone {
	if got, ok := z.known[estate]; ok {
		return got
	}
	got := z.c.zoneOf(ctx, estate)
	z.known[estate] = got
	return got
}
