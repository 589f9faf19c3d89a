package site

import (
	"context"
	"io"
	"net/http"
	"time"

	"github.com/linshao/linshao/simulators/e2e/api"
)

// Ticket and Delivery are what the tests read of them.
type (
	Ticket   = api.Ticket
	Delivery = api.Delivery
)

// Call makes one API request as the admin and returns status and body.
func (s *Site) Call(method, path string, body any) (int, []byte) {
	s.t.Helper()
	status, b, err := s.api().Call(s.t.Context(), method, path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return status, b
}

func (s *Site) api() api.Client { return api.Client{Base: s.CloudURL, Token: s.Token} }

// Tickets lists the tickets that a query such as "device=gate-east-1" selects;
// it returns nil while the cloud is down.
func (s *Site) Tickets(query string) []Ticket {
	all, err := s.api().Tickets(s.t.Context(), query)
	if err != nil {
		return nil
	}
	return all
}

// Ticket reads one ticket.
func (s *Site) Ticket(id string) Ticket {
	s.t.Helper()
	status, b := s.Call(http.MethodGet, "/api/v1/tickets/"+id, nil)
	if status != http.StatusOK {
		s.t.Fatalf("ticket %s: %d %s", id, status, b)
	}
	return Decode[Ticket](s.t, b)
}

// OneTicket waits until a device has a ticket and returns its id; two are one
// too many.
func (s *Site) OneTicket(device string) string {
	s.t.Helper()
	var found []Ticket
	s.Eventually("a ticket of "+device, time.Minute, func() bool {
		found = s.Tickets("device=" + device)
		return len(found) > 0
	})
	if len(found) != 1 {
		s.t.Fatalf("%d tickets of %s, want 1", len(found), device)
	}
	return found[0].ID
}

// Deliveries lists a ticket's deliveries, nil while the cloud is down.
func (s *Site) Deliveries(ticket string) []Delivery {
	all, err := s.api().Deliveries(s.t.Context(), ticket)
	if err != nil {
		return nil
	}
	return all
}

// Series returns the raw samples of one series as [ms, value], nil while the
// cloud is down.
func (s *Site) Series(device, metric string, from, to int64) [][2]float64 {
	points, err := s.api().Series(s.t.Context(), Estate+":"+device, metric, from, to)
	if err != nil {
		return nil
	}
	out := make([][2]float64, 0, len(points))
	for _, p := range points {
		if p.Value != nil {
			out = append(out, [2]float64{float64(p.AtMS), *p.Value})
		}
	}
	return out
}

// Metrics returns a daemon's metrics page.
func (s *Site) Metrics(base string) string {
	resp, err := http.Get(base + "/metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	return string(b)
}

// WaitReady waits until a daemon says that it is.
func (s *Site) WaitReady(base string) {
	s.t.Helper()
	s.Eventually("readiness of "+base, time.Minute, func() bool {
		resp, err := http.Get(base + "/readyz")
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// Eventually asks until cond holds; the bound only ends a test that would
// hang, no speed is judged by it.
func (s *Site) Eventually(what string, bound time.Duration, cond func() bool) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), bound)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-ctx.Done():
			s.t.Fatalf("waited %s in vain for %s", bound, what)
		case <-tick.C:
		}
	}
}
