// Package api reads and acts through the cloud's public HTTP API, as another
// program would, for the end-to-end tests.
package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Client speaks to one cloud as the holder of a token. It is safe for
// concurrent use.
type Client struct {
	// Base is the cloud's HTTP base, such as http://127.0.0.1:8080.
	Base, Token string
}

// Ticket is what the tests read of a ticket.
type Ticket struct {
	ID          string     `json:"id"`
	Aliases     []string   `json:"aliases"`
	Estate      string     `json:"estate"`
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
	Track   string `json:"track"`
	Step    int    `json:"step"`
	Round   int    `json:"round"`
	Staff   string `json:"staff"`
	Channel string `json:"channel"`
	State   string `json:"state"`
}

// Refusal is an answer other than the one hoped for.
type Refusal struct {
	Status int
	Body   []byte
}

func (r *Refusal) Error() string { return fmt.Sprintf("answer %d: %s", r.Status, r.Body) }

// Call makes one request and returns status and body. Headers are name and
// value in turn.
func (c Client) Call(ctx context.Context, method, path string, body any, headers ...string) (int, []byte, error) {
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		r = strings.NewReader(string(b))
	}
	req, err := http.NewRequestWithContext(ctx, method, c.Base+path, r)
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, b, err
}

// Read decodes the answer to a GET; a *Refusal says what else came.
func Read[T any](ctx context.Context, c Client, path string) (T, error) {
	var v T
	status, b, err := c.Call(ctx, http.MethodGet, path, nil)
	if err != nil {
		return v, err
	}
	if status != http.StatusOK {
		return v, &Refusal{status, b}
	}
	return v, json.Unmarshal(b, &v)
}

// List reads every page of a list; path has a query already.
func List[T any](ctx context.Context, c Client, path string) ([]T, error) {
	type page struct {
		Items      []T    `json:"items"`
		NextCursor string `json:"next_cursor"`
	}
	var all []T
	for cursor := ""; ; {
		q := path + "&limit=200"
		if cursor != "" {
			q += "&cursor=" + url.QueryEscape(cursor)
		}
		p, err := Read[page](ctx, c, q)
		if err != nil {
			return nil, err
		}
		all = append(all, p.Items...)
		if cursor = p.NextCursor; cursor == "" {
			return all, nil
		}
	}
}

// Tickets lists the tickets that a query such as "device=gate-east-1" selects.
func (c Client) Tickets(ctx context.Context, query string) ([]Ticket, error) {
	return List[Ticket](ctx, c, "/api/v1/tickets?"+query)
}

// Deliveries lists a ticket's deliveries.
func (c Client) Deliveries(ctx context.Context, ticket string) ([]Delivery, error) {
	return List[Delivery](ctx, c, "/api/v1/deliveries?ticket="+ticket)
}

// Point is one raw sample; Value is nil where the device said there was none.
type Point struct {
	AtMS  int64
	Value *float64
}

// Series returns the raw samples of one metric of estate:device in [from, to)
// Unix ms, in as many requests as the API's bound asks for.
func (c Client) Series(ctx context.Context, device, metric string, from, to int64) ([]Point, error) {
	got, err := Read[struct {
		Points [][]*float64 `json:"points"`
	}](ctx, c, fmt.Sprintf("/api/v1/series?device=%s&metric=%s&from=%d&to=%d", url.QueryEscape(device), url.QueryEscape(metric), from, to))
	var r *Refusal
	if errors.As(err, &r) && r.Status == http.StatusUnprocessableEntity && to-from > 1 {
		middle := from + (to-from)/2
		a, err := c.Series(ctx, device, metric, from, middle)
		if err != nil {
			return nil, err
		}
		b, err := c.Series(ctx, device, metric, middle, to)
		return append(a, b...), err
	}
	if err != nil {
		return nil, err
	}
	out := make([]Point, 0, len(got.Points))
	for _, p := range got.Points {
		if len(p) == 2 && p[0] != nil {
			out = append(out, Point{int64(*p[0]), p[1]})
		}
	}
	return out, nil
}
