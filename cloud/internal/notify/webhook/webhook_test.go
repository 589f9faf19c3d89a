package webhook_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/notify"
	"github.com/linshao/linshao/cloud/internal/notify/notifytest"
	"github.com/linshao/linshao/cloud/internal/notify/webhook"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/simulators/pager"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func noon() time.Time { return time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC) }

func open(t *testing.T) (*webhook.Notifier, *pager.Pager) {
	t.Helper()
	p, err := pager.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	n := webhook.New(noon, nil)
	t.Cleanup(n.Close)
	return n, p
}

// The provider checks the signature with code of its own.
func TestContract(t *testing.T) {
	t.Parallel()
	notifytest.Run(t, func(t *testing.T) notifytest.Harness {
		n, p := open(t)
		p.Trust("li-wei", "never-to-be-seen")
		return notifytest.Harness{
			Notifier: n, Channel: duty.Channel{Kind: "webhook", URL: p.URL() + "/li-wei"},
			Reject: func() { p.Script("li-wei", pager.Answer{Status: 503}) },
			Hang:   func() { p.Script("li-wei", pager.Answer{Hang: true}) },
			Heard: func() []notify.Body {
				var out []notify.Body
				for _, g := range p.Pages() {
					out = append(out, notify.Body{ID: g.ID, Ticket: g.Ticket, To: g.Staff, Step: g.Step, URL: g.URL})
				}
				return out
			},
			Await: func(ctx context.Context, n int) {
				if _, err := p.Await(ctx, func(pager.Page) bool { return len(p.Pages()) >= n }); err != nil {
					t.Error(err)
				}
			},
		}
	})
}

func message(url string) notify.Message {
	return notify.Message{ID: "d1", To: "li-wei", Ticket: []byte(`{}`), Channel: duty.Channel{Kind: "webhook", URL: url, Secret: "s"}}
}

func TestAWrongSecretIsRefusedByTheProvider(t *testing.T) {
	t.Parallel()
	n, p := open(t)
	p.Trust("li-wei", "another")
	if got := n.Send(t.Context(), message(p.URL()+"/li-wei")); got.State != routing.Rejected || p.Forged() != 1 {
		t.Errorf("got %+v", got)
	}
}

// A signature known from outside: printf '{}' | openssl dgst -sha256 -hmac s
func TestSign(t *testing.T) {
	t.Parallel()
	const want = "sha256=143ca8d517ba1b181025d732b1cf275d90104fca57bb02a565542978aa18c4b6"
	if got := webhook.Sign("s", []byte("{}")); got != want {
		t.Errorf("got %s", got)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status int
		after  string
		want   notify.Outcome
	}{
		{200, "", notify.Outcome{State: routing.Accepted, Detail: "HTTP 200"}},
		{204, "", notify.Outcome{State: routing.Accepted, Detail: "HTTP 204"}},
		{429, "7", notify.Outcome{State: notify.RateLimited, RetryAfter: 7 * time.Second, Detail: "HTTP 429"}},
		{429, "Mon, 23 Nov 2026 04:01:00 GMT", notify.Outcome{State: notify.RateLimited, RetryAfter: time.Minute, Detail: "HTTP 429"}},
		{429, "Mon, 23 Nov 2020 04:01:00 GMT", notify.Outcome{State: notify.RateLimited, Detail: "HTTP 429"}},
		{429, "999999", notify.Outcome{State: notify.RateLimited, RetryAfter: time.Hour, Detail: "HTTP 429"}},
		{429, "", notify.Outcome{State: routing.Rejected, Detail: "HTTP 429"}},
		{429, "-1", notify.Outcome{State: routing.Rejected, Detail: "HTTP 429"}},
		{400, "7", notify.Outcome{State: routing.Rejected, Detail: "HTTP 400"}},
		{500, "", notify.Outcome{State: routing.Rejected, Detail: "HTTP 500"}},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.after != "" {
				w.Header().Set("Retry-After", c.after)
			}
			w.WriteHeader(c.status)
		}))
		n := webhook.New(noon, nil)
		if got := n.Send(t.Context(), message(server.URL)); got != c.want {
			t.Errorf("%d %q: got %+v", c.status, c.after, got)
		}
		n.Close()
		server.Close()
	}
}

func TestARedirectIsNotFollowed(t *testing.T) {
	t.Parallel()
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the page went elsewhere") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	n := webhook.New(noon, nil)
	defer n.Close()
	if got := n.Send(t.Context(), message(server.URL)); got.State != routing.Rejected {
		t.Errorf("got %+v", got)
	}
}

// Where nothing can have been sent, it is rejected; where it may, unknown.
func TestBrokenConnections(t *testing.T) {
	t.Parallel()
	n := webhook.New(noon, nil)
	defer n.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	if got := n.Send(t.Context(), message(closed)); got.State != routing.Rejected {
		t.Errorf("nobody listens: %+v", got)
	}
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }))
	defer server.Close()
	if got := n.Send(t.Context(), message(server.URL)); got.State != routing.Unknown {
		t.Errorf("hung up: %+v", got)
	}
	if got := n.Send(t.Context(), message("http://[::1")); got.State != routing.Rejected {
		t.Errorf("no address: %+v", got)
	}
}
