package console_test

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/console"
)

// signIn makes an account and returns the Cookie header of its session.
func (w *town) signIn(name string, role access.Role, staff string, estates ...string) string {
	w.t.Helper()
	p, err := access.NewPasswords(1)
	if err != nil {
		w.t.Fatal(err)
	}
	hash, err := p.Hash(w.t.Context(), "a good password")
	if err != nil {
		w.t.Fatal(err)
	}
	w.accounts[name] = access.Account{Name: name, Role: role, Staff: staff, Estates: estates, PasswordHash: hash}
	got := w.ask("POST", "/api/v1/login", "", map[string]string{"user": name, "password": "a good password"})
	if got.Code != http.StatusOK {
		w.t.Fatalf("sign in: %d %s", got.Code, got.Body)
	}
	cookie := got.Header().Get("Set-Cookie")
	if !strings.Contains(cookie, "HttpOnly") || !strings.Contains(cookie, "SameSite=Lax") {
		w.t.Errorf("cookie %q", cookie)
	}
	return strings.Split(cookie, ";")[0]
}

func decode[T any](t *testing.T, w *httptest.ResponseRecorder) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(w.Body.Bytes(), &v); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	return v
}

func TestSigningInAndOut(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	cookie := w.signIn("wang", access.Dispatcher, "li-wei", "sunrise")
	me := decode[console.Me](t, w.ask("GET", "/api/v1/me", "", nil, "Cookie", cookie))
	if me.Name != "wang" || me.Role != "dispatcher" || me.Staff != "li-wei" {
		t.Errorf("me is %+v", me)
	}
	if got := w.ask("POST", "/api/v1/login", "", map[string]string{"user": "wang", "password": "wrong"}); got.Code != 401 || !strings.Contains(got.Body.String(), "wrong_password") {
		t.Errorf("wrong password: %d %s", got.Code, got.Body)
	}
	if got := w.ask("POST", "/api/v1/logout", "", nil, "Cookie", cookie); got.Code != 204 {
		t.Errorf("sign out: %d %s", got.Code, got.Body)
	}
	if got := w.ask("GET", "/api/v1/me", "", nil, "Cookie", cookie); got.Code != 401 {
		t.Errorf("after signing out: %d", got.Code)
	}
}

// Whoever guesses is told to wait, and nobody is told what is inside.
func TestGuessingIsAnsweredAsGuessing(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	w.tries = 1000
	got := w.ask("POST", "/api/v1/login", "", map[string]string{"user": "wang", "password": "guess"})
	if got.Code != http.StatusTooManyRequests || !strings.Contains(got.Body.String(), "too_many_tries") {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

func TestACrossOriginWriteIsRefused(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	cookie := w.signIn("wang", access.Dispatcher, "li-wei", "sunrise")
	got := w.ask("POST", "/api/v1/tickets/sunrise-lift-1/accept", "", map[string]any{}, "Cookie", cookie, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
	if got.Code != http.StatusForbidden {
		t.Errorf("cross-origin write: %d", got.Code)
	}
}

func TestATicketFromAcceptToClose(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	who := w.token(access.Dispatcher, "sunrise")
	for _, c := range []struct {
		step string
		body map[string]any
		code int
		want string
	}{
		{"resolve", map[string]any{"outcome": "guessed"}, 422, "invalid"},
		{"accept", map[string]any{"as": "nobody"}, 422, "unknown_person"},
		{"transfer", map[string]any{"to": "li-wie"}, 422, "unknown_person"},
		{"accept", map[string]any{"as": "li-wei", "note": "on my way"}, 200, `"state":"accepted"`},
		{"accept", map[string]any{"as": "li-wei"}, 409, "transition_not_allowed"},
		{"arrive", nil, 200, `"state":"arrived"`},
		{"resolve", map[string]any{"outcome": "fixed"}, 200, `"outcome":"fixed"`},
		{"close", nil, 200, `"state":"closed"`},
		{"reopen", nil, 200, `"state":"open"`},
		{"comment", map[string]any{"note": "again"}, 200, `"note":"again"`},
	} {
		var body any
		if c.body != nil {
			body = c.body
		}
		got := w.ask("POST", "/api/v1/tickets/sunrise-lift-1/"+c.step, who, body)
		if got.Code != c.code || !strings.Contains(got.Body.String(), c.want) {
			t.Errorf("%s: %d %s", c.step, got.Code, got.Body)
		}
	}
	if got := w.ask("POST", "/api/v1/tickets/sunrise-gate-1/accept", w.token(access.Patrol, "sunrise"), map[string]any{"as": "zhao"}); got.Code != 403 {
		t.Errorf("a patrol acts as somebody else: %d %s", got.Code, got.Body)
	}
}

func TestTheSameKeyActsOnce(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	who := w.token(access.Dispatcher, "sunrise")
	for range 3 {
		got := w.ask("POST", "/api/v1/tickets/sunrise-lift-1/accept", who, map[string]any{}, "Idempotency-Key", "tap-1")
		if got.Code != 200 {
			t.Fatalf("%d %s", got.Code, got.Body)
		}
	}
	if n := len(w.acts); n != 1 {
		t.Errorf("%d changes, want 1", n)
	}
	if got := w.ask("POST", "/api/v1/tickets/sunrise-lift-1/accept", w.token(access.Dispatcher, "sunrise"), map[string]any{}, "Idempotency-Key", "tap-1"); got.Code != 409 {
		t.Errorf("another caller's equal key: %d", got.Code)
	}
}

func TestListsAndDevices(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	all := w.token(access.Admin)
	for path, want := range map[string]string{
		"/api/v1/tickets?estate=sunrise&state=unresolved,closed":                      `"id":"sunrise-gate-1"`,
		"/api/v1/tickets?device=heping:lift-1":                                        `"id":"heping-lift-1"`,
		"/api/v1/tickets?state=new":                                                   `"code":"invalid"`,
		"/api/v1/tickets?format=csv":                                                  "id,device,kind,raised_at,cleared_at\nheping-gate-1,gate-1,door_forced,",
		"/api/v1/devices/lift-1":                                                      `"code":"ambiguous_device"`,
		"/api/v1/devices/sunrise:lift-1/latest":                                       `"value":1.5`,
		"/api/v1/devices/nowhere:lift-1":                                              `"code":"not_found"`,
		"/api/v1/series?device=sunrise:lift-1&metric=speed&from=1000&to=5000":         `"points":[[1000,2],[1001,null]],"unit":"m/s"`,
		"/api/v1/series?device=sunrise:lift-1&metric=speed&from=1000&to=5000&step=1s": `"points":[[1000,1,2,3]]`,
		"/api/v1/series?device=sunrise:lift-1&metric=speed&from=yesterday":            "neither RFC 3339",
		"/api/v1/duty?estate=sunrise":                                                 `"staff":"li-wei"`,
		"/api/v1/policies":                                                            `"after":"0s"`,
		"/api/v1/shifts":                                                              `"roster":"day"`,
		"/api/v1/tickets/sunrise-gate-1?lang=en":                                      `"text":"Door forced open"`,
	} {
		if got := w.ask("GET", path, all, nil); !strings.Contains(got.Body.String(), want) {
			t.Errorf("%s: %d, no %s in %s", path, got.Code, want, got.Body)
		}
	}
}

func TestAcknowledgingByLink(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	secret := access.NewSecret("lsl_")
	w.links[access.HashSecret(secret)] = access.Link{Hash: access.HashSecret(secret), Estate: "sunrise", Ticket: "sunrise-lift-1", Staff: "li-wei", ExpiresMS: nowMS + 1000}
	if got := w.ask("GET", "/a/"+secret, "", nil); got.Code != 200 || !strings.Contains(got.Body.String(), "门被强行打开") || len(w.acts) != 0 {
		t.Errorf("GET: %d, %d acts: %s", got.Code, len(w.acts), got.Body)
	}
	if got := w.ask("POST", "/a/"+secret, "", nil); got.Code != 200 || !strings.Contains(got.Body.String(), "li-wei") {
		t.Errorf("POST: %d %s", got.Code, got.Body)
	}
	if got := w.tickets["sunrise-lift-1"].Ticket; got.Assignee != "li-wei" {
		t.Errorf("assignee %q", got.Assignee)
	}
	if got := w.ask("POST", "/a/"+secret, "", nil); got.Code != 200 || len(w.acts) != 1 {
		t.Errorf("again: %d, %d acts", got.Code, len(w.acts))
	}
	if got := w.ask("GET", "/a/lsl_unknown", "", nil); got.Code != 404 {
		t.Errorf("unknown link: %d", got.Code)
	}
}

// A stream shows what happens, resumes where it stopped, and says so when it
// cannot.
func TestStreamResumes(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	server := httptest.NewServer(w.console)
	defer server.Close()
	who := w.token(access.Dispatcher, "sunrise")
	open := func(last string) (next func() (event, data string), stop func()) {
		ctx, cancel := context.WithCancel(t.Context())
		req, err := http.NewRequestWithContext(ctx, "GET", server.URL+"/api/v1/stream", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+who)
		if last != "" {
			req.Header.Set("Last-Event-ID", last)
		}
		resp, err := http.DefaultClient.Do(req) //nolint:bodyclose // closed by the stop function
		if err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(resp.Body)
		return func() (event, data string) {
			for lines.Scan() {
				key, value, _ := strings.Cut(lines.Text(), ": ")
				switch key {
				case "event":
					event = value
				case "data":
					data = value
				case "":
					if event != "" {
						return event, data
					}
				}
			}
			return "", ""
		}, func() { cancel(); _ = resp.Body.Close() }
	}
	next, stop := open("")
	defer stop()
	if e, _ := next(); e != "hello" {
		t.Fatalf("first event %q", e)
	}
	if got := w.ask("POST", "/api/v1/tickets/sunrise-lift-1/accept", who, map[string]any{}); got.Code != 200 {
		t.Fatalf("accept: %d", got.Code)
	}
	if e, d := next(); e != "ticket" || !strings.Contains(d, `"state":"accepted"`) {
		t.Errorf("%s %s", e, d)
	}
	again, stopAgain := open("0")
	defer stopAgain()
	if e, _ := again(); e != "hello" {
		t.Errorf("resumed with %q", e)
	}
	if e, d := again(); e != "ticket" || strings.Contains(d, "heping") {
		t.Errorf("replayed %s %s", e, d)
	}
	lost, stopLost := open("999")
	defer stopLost()
	if e, _ := lost(); e != "reset" {
		t.Errorf("an id from nowhere: %q", e)
	}
}

// What has a default may be left out, and what has no id gets one.
func TestPlanningWithLittle(t *testing.T) {
	t.Parallel()
	w := newTown(t)
	who := w.token(access.Admin)
	got := w.ask("POST", "/api/v1/staff", who, map[string]any{"id": "wang", "name": "王", "estate": "sunrise"})
	if v := decode[console.StaffView](t, got); got.Code != 200 || v.Post != "patrol" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	got = w.ask("POST", "/api/v1/mutes", who, map[string]any{
		"estate": "sunrise", "device": "gate-1", "from": "2026-11-22T00:00:00Z", "to": "2026-11-23T00:00:00Z", "reason": "works",
	})
	if v := decode[console.MuteView](t, got); got.Code != 200 || v.ID == "" {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := w.ask("PUT", "/api/v1/rosters", who, map[string]any{"id": "night", "estate": "sunrise", "shifts": []any{}}); got.Code != 200 {
		t.Errorf("%d %s", got.Code, got.Body)
	}
	if got := w.ask("PUT", "/api/v1/policies", who, map[string]any{"estate": "sunrise", "steps": []any{}}); got.Code != 422 {
		t.Errorf("a policy without an id: %d %s", got.Code, got.Body)
	}
}
