package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/linshao/linshao/protocol/kit/memnet"
)

// mood is how the pager behaves.
type mood uint8

const (
	friendly mood = iota
	flaky         // refuses some, hangs on some, accepts some and does not say so
	hanging       // answers nobody
	refusing      // answers 503
)

// verdict is what the pager made of one request.
type verdict string

const (
	accepted            verdict = "accepted"
	refused             verdict = "refused"
	ignored             verdict = "ignored"
	acceptedThenTimeout verdict = "accepted_then_timeout"
)

// page is one request that the pager saw.
type page struct {
	at      time.Duration
	key     string
	ticket  string
	estate  string
	device  string
	fault   string
	step    int
	to      string
	url     string
	verdict verdict
}

func (p *page) name() string {
	return fmt.Sprintf("%s/%s/%s step %d to %s", p.estate, p.device, p.fault, p.step, p.to)
}

// pager is the webhook provider, and the people it rings.
type pager struct {
	w      *World
	mood   mood
	server *http.Server
	host   *memnet.Host
	phones *memnet.Host
	phone  *http.Client
	pages  []*page
	// nth counts the requests of one name, so that each has its own dice.
	nth map[string]int
}

func newPager(w *World) *pager {
	p := &pager{w: w, nth: map[string]int{}}
	p.host = w.net.Host("pager", "10.8.0.1")
	p.phones = w.net.Host("phones", "10.7.0.1")
	p.phone = &http.Client{Transport: &http.Transport{DialContext: p.phones.Dial, DisableKeepAlives: true}, Timeout: 15 * time.Second}
	p.server = &http.Server{Handler: p, ReadHeaderTimeout: 10 * time.Second}
	ln, err := p.host.Listen(w.ctx, "tcp", pagerAddr)
	if err != nil {
		panic(err) // a new network has nobody on it
	}
	w.go_(func() { _ = p.server.Serve(ln) })
	return p
}

// ServeHTTP implements http.Handler.
func (p *pager) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	var body struct {
		ID, To, URL string
		Step        int
		Ticket      struct{ ID, Estate, Device, Fault string }
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		rw.WriteHeader(http.StatusBadRequest)
		return
	}
	g := &page{
		key: r.Header.Get("Idempotency-Key"), ticket: body.Ticket.ID, estate: body.Ticket.Estate, device: body.Ticket.Device,
		fault: body.Ticket.Fault, step: body.Step, to: body.To, url: body.URL,
	}
	decided := make(chan verdict, 1)
	p.w.soon("page "+g.name(), func() { decided <- p.take(g) })
	switch <-decided {
	case accepted:
	case refused:
		rw.WriteHeader(http.StatusServiceUnavailable)
	default:
		hang := time.NewTimer(45 * time.Second)
		defer hang.Stop()
		select {
		case <-hang.C:
		case <-r.Context().Done():
		}
	}
}

// take decides about a request, on the bus.
func (p *pager) take(g *page) verdict {
	g.at = p.w.bus.Now()
	p.nth[g.name()]++
	r := p.w.dice(fmt.Sprintf("%s %d", g.name(), p.nth[g.name()]))
	g.verdict = p.decide(r)
	p.pages = append(p.pages, g)
	p.w.trace("page", g.name(), string(g.verdict))
	heard := g.verdict == accepted || g.verdict == acceptedThenTimeout
	if heard && r.IntN(3) > 0 {
		p.w.after(time.Duration(15+r.IntN(240))*time.Second, "tap "+g.name(), func() { p.tap(g, 20) })
	}
	return g.verdict
}

func (p *pager) decide(r *rand.Rand) verdict {
	switch p.mood {
	case hanging:
		return ignored
	case refusing:
		return refused
	case flaky:
		switch n := r.IntN(10); {
		case n < 3:
			return refused
		case n < 4:
			return ignored
		case n < 6:
			return acceptedThenTimeout
		}
	}
	return accepted
}

// tap is a person who opens the page's link and takes the ticket, and tries
// again while nothing comes back.
func (p *pager) tap(g *page, tries int) {
	w := p.w
	w.go_(func() {
		ctx, cancel := context.WithTimeout(w.ctx, 15*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, g.url, http.NoBody)
		if err != nil {
			return
		}
		resp, err := p.phone.Do(req)
		status := 0
		if err == nil {
			status = resp.StatusCode
			_ = resp.Body.Close()
		}
		w.soon("tapped "+g.name(), func() {
			w.trace("tap", g.name(), fmt.Sprint(status))
			switch {
			case w.ctx.Err() != nil:
			case status == http.StatusOK:
				if r := w.dice("clerk " + g.name() + strconv.Itoa(tries)); r.IntN(2) == 0 && !w.healthy {
					w.after(time.Duration(30+r.IntN(900))*time.Second, "clerk "+g.name(), func() { w.dealWith(g, []string{"arrive", "resolve", "close"}, 20) })
				}
			case tries > 0:
				w.after(20*time.Second, "tap again "+g.name(), func() { p.tap(g, tries-1) })
			}
		})
	})
}

// dealWith is a clerk who does the rest of a ticket's work, one step after the
// other, each again while nothing comes back.
func (w *World) dealWith(g *page, steps []string, tries int) {
	w.resolved[g.ticket] = w.resolved[g.ticket] || steps[0] == "resolve"
	w.go_(func() {
		ctx, cancel := context.WithTimeout(w.ctx, 15*time.Second)
		defer cancel()
		status := 0
		body := fmt.Sprintf(`{"as":%q,"outcome":"fixed"}`, g.to)
		if steps[0] != "resolve" {
			body = fmt.Sprintf(`{"as":%q}`, g.to)
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+cloudHTTP+"/api/v1/tickets/"+g.ticket+"/"+steps[0], strings.NewReader(body))
		if err != nil {
			return
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Authorization", "Bearer "+w.town.token)
		req.Header.Set("Idempotency-Key", g.key+steps[0])
		if resp, err := w.pager.phone.Do(req); err == nil {
			status = resp.StatusCode
			_ = resp.Body.Close()
		}
		w.soon("clerk "+g.name(), func() {
			w.trace("clerk", g.name()+" "+steps[0], strconv.Itoa(status))
			switch {
			case w.ctx.Err() != nil:
			case status == http.StatusOK && len(steps) > 1:
				w.after(5*time.Second, "clerk "+g.name(), func() { w.dealWith(g, steps[1:], tries) })
			case (status == 0 || status >= 500) && tries > 0:
				w.after(20*time.Second, "clerk again "+g.name(), func() { w.dealWith(g, steps, tries-1) })
			}
		})
	})
}

// dice are thrown for a name: what else happens leaves them as they are.
func (w *World) dice(name string) *rand.Rand {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return rand.New(rand.NewPCG(w.o.Seed, h.Sum64())) //nolint:gosec // reproducible by intent
}
