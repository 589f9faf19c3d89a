package site

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Ticket is what the tests read of a ticket.
type Ticket struct {
	ID          string     `json:"id"`
	Device      string     `json:"device"`
	Fault       string     `json:"fault"`
	Severity    string     `json:"severity"`
	State       string     `json:"state"`
	Condition   string     `json:"condition"`
	Occurrences int        `json:"occurrences"`
	Assignee    string     `json:"assignee"`
	RaisedAt    time.Time  `json:"raised_at"`
	ReceivedAt  time.Time  `json:"received_at"`
	AcceptedAt  *time.Time `json:"accepted_at"`
	Timeline    []struct {
		Kind string    `json:"kind"`
		At   time.Time `json:"at"`
	} `json:"timeline"`
}

// Delivery is what the tests read of a delivery.
type Delivery struct {
	ID      string `json:"id"`
	Ticket  string `json:"ticket"`
	Step    int    `json:"step"`
	Staff   string `json:"staff"`
	Channel string `json:"channel"`
	State   string `json:"state"`
}

type page[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"next_cursor"`
}

// Call makes one API request as the admin and returns status and body.
func (s *Site) Call(method, path string, body any) (int, []byte) {
	s.t.Helper()
	status, b, err := s.call(method, path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	return status, b
}

func (s *Site) call(method, path string, body any) (int, []byte, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		r = strings.NewReader(string(b))
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.CloudURL+path, r)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

// list reads every page of a list; it returns nil while the cloud is down.
func list[T any](s *Site, path string) []T {
	var all []T
	cursor := ""
	for {
		q := path + "&limit=200"
		if cursor != "" {
			q += "&cursor=" + url.QueryEscape(cursor)
		}
		status, b, err := s.call(http.MethodGet, q, nil)
		if err != nil || status != http.StatusOK {
			return nil
		}
		p := Decode[page[T]](s.t, b)
		all = append(all, p.Items...)
		if p.NextCursor == "" {
			return all
		}
		cursor = p.NextCursor
	}
}

// Tickets lists the tickets that a query such as "device=gate-east-1" selects.
func (s *Site) Tickets(query string) []Ticket {
	return list[Ticket](s, "/api/v1/tickets?"+query)
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

// Deliveries lists a ticket's deliveries.
func (s *Site) Deliveries(ticket string) []Delivery {
	return list[Delivery](s, "/api/v1/deliveries?ticket="+ticket)
}

// Series returns the raw samples of one series as [ms, value].
func (s *Site) Series(device, metric string, from, to int64) [][2]float64 {
	status, b, err := s.call(http.MethodGet, fmt.Sprintf("/api/v1/series?device=%s&metric=%s&from=%d&to=%d",
		url.QueryEscape(Estate+":"+device), metric, from, to), nil)
	if err != nil || status != http.StatusOK {
		return nil
	}
	p := Decode[struct {
		Points [][]*float64 `json:"points"`
	}](s.t, b)
	out := make([][2]float64, 0, len(p.Points))
	for _, x := range p.Points {
		if len(x) == 2 && x[0] != nil && x[1] != nil {
			out = append(out, [2]float64{*x[0], *x[1]})
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
