package console_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/linshao/linshao/cloud/internal/access"
)

// route is one operation of the OpenAPI document.
type route struct {
	method, path string
	secured      bool
	query        []string // required parameters
}

func routes(t *testing.T, w *town) []route {
	t.Helper()
	raw, err := w.console.OpenAPI()
	if err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Paths map[string]map[string]struct {
			Security   []map[string][]string
			Parameters []struct {
				Name, In string
				Required bool
			}
		}
	}
	if err := json.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	var out []route
	for path, item := range doc.Paths {
		for method, op := range item {
			r := route{method: strings.ToUpper(method), path: path, secured: len(op.Security) > 0}
			for _, p := range op.Parameters {
				if p.In == "query" && p.Required {
					r.query = append(r.query, p.Name)
				}
			}
			out = append(out, r)
		}
	}
	if len(out) < 40 {
		t.Fatalf("only %d operations in the document", len(out))
	}
	return out
}

// in fills a route's places with things of one estate.
func (r route) in(estate string) (path string, body any) {
	id := map[bool]string{true: estate, false: "li-wei"}[strings.HasPrefix(r.path, "/api/v1/estates")]
	switch {
	case strings.HasPrefix(r.path, "/api/v1/tickets"):
		id = estate + "-lift-1"
	case strings.HasPrefix(r.path, "/api/v1/devices"):
		id = estate + ":lift-1"
	}
	path = strings.ReplaceAll(r.path, "{id}", url.PathEscape(id))
	q := url.Values{}
	for _, name := range r.query {
		q.Set(name, map[string]string{
			"estate": estate, "ticket": estate + "-lift-1", "device": estate + ":lift-1", "metric": "speed", "from": "0",
		}[name])
	}
	if len(q) > 0 {
		path += "?" + q.Encode()
	}
	return path, r.body(estate)
}

func (r route) body(estate string) any {
	if r.method == http.MethodGet || r.method == http.MethodDelete {
		return nil
	}
	m := map[string]any{"estate": estate, "id": "li-wei"}
	switch {
	case strings.HasSuffix(r.path, "/login"):
		return map[string]any{"user": "x", "password": "y"}
	case strings.HasSuffix(r.path, "/sign-on"):
		return map[string]any{"estate": estate, "on": true, "as": "li-wei"}
	case strings.HasSuffix(r.path, "/tickets"):
		return map[string]any{"device": estate + ":lift-1", "text": "noise"}
	case strings.HasPrefix(r.path, "/api/v1/tickets/"):
		return map[string]any{"reason": "normal use", "note": "x"}
	case strings.HasPrefix(r.path, "/api/v1/staff"):
		m["name"], m["post"], m["party_member"], m["vanguard"], m["skills"] = "n", "patrol", true, true, []string{}
	case strings.HasPrefix(r.path, "/api/v1/rosters"):
		m["sign_on"], m["shifts"] = false, []any{}
	case strings.HasPrefix(r.path, "/api/v1/shifts"):
		m["roster"], m["from"], m["to"], m["days"], m["staff"] = "day", "00:00", "24:00", []string{"mon"}, []string{}
	case strings.HasPrefix(r.path, "/api/v1/policies"):
		m["match"], m["steps"] = map[string]any{}, []any{}
	default:
		m["from"], m["to"], m["reason"] = "2026-11-22T00:00:00Z", "2026-11-23T00:00:00Z", "x"
	}
	return m
}

func TestEveryRouteDemandsAPrincipal(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	for _, r := range routes(t, w) {
		if !r.secured {
			if r.path != "/api/v1/login" {
				t.Errorf("%s %s is open to everybody", r.method, r.path)
			}
			continue
		}
		path, body := r.in("sunrise")
		for _, who := range []string{"", "lst_made-up"} {
			if got := w.ask(r.method, path, who, body); got.Code != http.StatusUnauthorized {
				t.Errorf("%s %s without a valid token: %d", r.method, path, got.Code)
			}
		}
	}
}

// Over every operation and every role: what belongs to another estate is
// neither shown nor changed, and answers as if it did not exist.
func TestNoRouteReachesIntoAForeignEstate(t *testing.T) {
	t.Parallel()
	for _, role := range []access.Role{access.Admin, access.Dispatcher, access.Patrol, access.Maintainer, access.Viewer} {
		w := newTown(t)
		mine := w.token(role, "sunrise")
		for _, r := range routes(t, w) {
			if !r.secured || strings.HasSuffix(r.path, "/stream") || strings.HasSuffix(r.path, "/logout") {
				continue
			}
			path, body := r.in("heping")
			got := w.ask(r.method, path, mine, body)
			if strings.Contains(got.Body.String(), "heping") && got.Code < 300 {
				t.Errorf("%s: %s %s shows the neighbour's: %s", role, r.method, path, got.Body)
			}
			if r.method != http.MethodGet && got.Code < 300 {
				t.Errorf("%s: %s %s changed the neighbour's: %d", role, r.method, path, got.Code)
			}
			if got.Code >= 500 || got.Code == http.StatusUnprocessableEntity {
				t.Errorf("%s: %s %s: %d %s", role, r.method, path, got.Code, got.Body)
			}
			if got.Code == http.StatusForbidden {
				t.Errorf("%s: %s %s admits that it exists", role, r.method, path)
			}
		}
	}
}

// What a role may do in its own estate works, and what it may not is said.
func TestRolesInTheirOwnEstate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		role         access.Role
		method, path string
		want         int
	}{
		{access.Viewer, "GET", "/api/v1/tickets", 200},
		{access.Viewer, "POST", "/api/v1/tickets/sunrise-lift-1/accept", 403},
		{access.Viewer, "GET", "/api/v1/staff", 200},
		{access.Patrol, "POST", "/api/v1/tickets/sunrise-lift-1/accept", 200},
		{access.Patrol, "PUT", "/api/v1/mutes/m", 403},
		{access.Dispatcher, "PUT", "/api/v1/mutes/m", 200},
		{access.Maintainer, "DELETE", "/api/v1/rosters/day?estate=sunrise", 403},
		{access.Admin, "DELETE", "/api/v1/rosters/day?estate=sunrise", 204},
	} {
		w := newTown(t)
		body := route{method: c.method, path: strings.Split(c.path, "?")[0]}.body("sunrise")
		if got := w.ask(c.method, c.path, w.token(c.role, "sunrise"), body); got.Code != c.want {
			t.Errorf("%s %s %s: %d, want %d: %s", c.role, c.method, c.path, got.Code, c.want, got.Body)
		}
	}
}

// A contractor sees only what he looks after.
func TestAContractorSeesOnlyItsLifts(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	cookie := w.signIn("contractor", access.Maintainer, "contractor", "sunrise")
	for path, want := range map[string]string{"/api/v1/tickets": "sunrise-lift-1", "/api/v1/devices": "sunrise:lift-1"} {
		got := w.ask("GET", path, "", nil, "Cookie", cookie)
		if got.Code != 200 || !strings.Contains(got.Body.String(), want) || strings.Contains(got.Body.String(), "gate-1") {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
	}
	for _, path := range []string{"/api/v1/tickets/sunrise-gate-1", "/api/v1/devices/sunrise:gate-1", "/api/v1/devices/sunrise:gate-1/latest", "/api/v1/deliveries?ticket=sunrise-gate-1"} {
		if got := w.ask("GET", path, "", nil, "Cookie", cookie); got.Code != 404 {
			t.Errorf("%s: %d %s", path, got.Code, got.Body)
		}
	}
}

// Phones and channels are for those who plan, secrets for nobody.
func TestPersonalDataIsForThoseWhoPlan(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	for role, sees := range map[access.Role]bool{access.Dispatcher: true, access.Viewer: false, access.Patrol: false} {
		for _, path := range []string{"/api/v1/staff", "/api/v1/duty?estate=sunrise"} {
			body := w.ask("GET", path, w.token(role, "sunrise"), nil).Body.String()
			if strings.Contains(body, "13800000001") != sees {
				t.Errorf("%s at %s: %s", role, path, body)
			}
			if strings.Contains(body, "s3cret") {
				t.Errorf("%s reads a secret back at %s", role, path)
			}
		}
	}
}
