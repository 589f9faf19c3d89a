// Package pager is a webhook provider: the phone company of demos and tests.
// Every person has the URL URL()/{staff}; what is posted there is checked
// against the person's secret, answered as scripted and written down.
//
// A delivery that is repeated under its Idempotency-Key is accepted again but
// paged once; Repeats counts the rest. The journal is kept in memory and
// bounded: the oldest pages make room.
package pager

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// keep is how many pages the journal holds.
const keep = 10_000

// Page is one message to one person.
type Page struct {
	// ID is the delivery, which is also its Idempotency-Key.
	ID     string          `json:"id"`
	Staff  string          `json:"to"`
	Step   int             `json:"step"`
	URL    string          `json:"url"` // the acknowledge page
	Ticket json.RawMessage `json:"ticket"`
	// AtMS is when it first came in.
	AtMS int64 `json:"at_ms"`
	// Verified: it was signed with the secret the pager was told.
	Verified bool `json:"verified"`
	// Repeats counts how often it came again.
	Repeats int `json:"repeats"`
	// Refused counts the answers other than 2xx it was given.
	Refused int `json:"refused"`
	// Accepted: it got a 2xx.
	Accepted bool `json:"accepted"`
}

// Answer scripts the fate of one request.
type Answer struct {
	// Status is the HTTP status; 0 accepts with 200.
	Status int
	// RetryAfterSeconds goes with 429.
	RetryAfterSeconds int
	// After is how long the answer takes.
	After time.Duration
	// Hang gives no answer at all until the caller loses patience. The page
	// counts as heard: nobody can know.
	Hang bool
}

// Verdicts of a Request.
const (
	Accepted = "accepted"
	Refused  = "refused"
	// AcceptedThenTimeout was heard, but the caller got no answer.
	AcceptedThenTimeout = "accepted_then_timeout"
)

// Request is one message as it came in, repeated or not.
type Request struct {
	// Key is the Idempotency-Key: a repeated one is no new page.
	Key     string
	Staff   string
	Step    int
	Ticket  json.RawMessage
	Verdict string
}

// Pager is a running provider.
type Pager struct {
	ln     net.Listener
	server *http.Server
	wg     sync.WaitGroup
	quit   chan struct{}

	mu      sync.Mutex // guards all below
	secrets map[string]string
	scripts map[string][]Answer
	pages   []*Page
	forged  int
	journal func(Request)
	changed chan struct{} // closed and replaced at every page
}

// Listen starts a provider on addr, such as 127.0.0.1:0.
func Listen(addr string) (*Pager, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for pages: %w", err)
	}
	p := &Pager{
		ln: ln, quit: make(chan struct{}), changed: make(chan struct{}),
		secrets: map[string]string{}, scripts: map[string][]Answer{},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{staff}", p.receive)
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	p.wg.Go(func() { _ = p.server.Serve(ln) })
	return p, nil
}

// URL is the prefix of every person's webhook, without a slash at its end.
func (p *Pager) URL() string { return "http://" + p.Addr() }

// Addr is the host:port of the provider.
func (p *Pager) Addr() string { return p.ln.Addr().String() }

// Close ends the provider, hanging requests included, and waits for it.
func (p *Pager) Close() error {
	p.mu.Lock()
	select {
	case <-p.quit:
	default:
		close(p.quit)
	}
	p.mu.Unlock()
	err := p.server.Close()
	p.wg.Wait()
	return err
}

// Trust tells the secret of a person; from then on unsigned or wrongly signed
// pages to them are refused with 401.
func (p *Pager) Trust(staff, secret string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.secrets[staff] = secret
}

// Script sets the answers to the next requests for a person, in order; after
// them everything is accepted again. An empty staff scripts everybody who has
// no script of their own.
func (p *Pager) Script(staff string, answers ...Answer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.scripts[staff] = slices.Clone(answers)
}

// Journal has f hear of every well-formed, rightly signed request at the
// instant of its verdict, in order. f must not call the pager.
func (p *Pager) Journal(f func(Request)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.journal = f
}

// Pages returns a copy of the journal, oldest first.
func (p *Pager) Pages() []Page {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]Page, len(p.pages))
	for i, g := range p.pages {
		out[i] = *g
	}
	return out
}

// Forged counts the requests whose signature did not fit.
func (p *Pager) Forged() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.forged
}

// Await returns the first page, past or to come, for which want holds.
func (p *Pager) Await(ctx context.Context, want func(Page) bool) (Page, error) {
	for {
		p.mu.Lock()
		changed := p.changed
		p.mu.Unlock()
		pages := p.Pages()
		if i := slices.IndexFunc(pages, want); i >= 0 {
			return pages[i], nil
		}
		select {
		case <-changed:
		case <-p.quit:
			return Page{}, errors.New("the pager was closed")
		case <-ctx.Done():
			return Page{}, fmt.Errorf("no such page among %d: %w", len(pages), ctx.Err())
		}
	}
}
