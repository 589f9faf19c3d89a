package pager

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// maxBody bounds a page: a ticket with evidence is a few KiB.
const maxBody = 1 << 20

// Sign is what stands in X-Linshao-Signature over a body.
func Sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func (p *Pager) receive(w http.ResponseWriter, r *http.Request) {
	staff := r.PathValue("staff")
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		http.Error(w, "the body cannot be read", http.StatusBadRequest)
		return
	}
	var g Page
	if err := json.Unmarshal(body, &g); err != nil || g.ID == "" {
		http.Error(w, "the body is no page: it needs id, ticket, to, step, url", http.StatusBadRequest)
		return
	}
	if key := r.Header.Get("Idempotency-Key"); key != g.ID || g.Staff != staff {
		http.Error(w, "Idempotency-Key and to must agree with the body and the URL", http.StatusBadRequest)
		return
	}
	verified, ok := p.check(staff, r.Header.Get("X-Linshao-Signature"), body)
	if !ok {
		http.Error(w, "the signature does not fit", http.StatusUnauthorized)
		return
	}
	g.Verified, g.AtMS = verified, time.Now().UnixMilli()
	p.answer(w, r, p.write(g))
}

// check compares the signature; a person without a secret is believed.
func (p *Pager) check(staff, signature string, body []byte) (verified, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	secret, known := p.secrets[staff]
	if !known {
		return false, true
	}
	if !hmac.Equal([]byte(signature), []byte(Sign(secret, body))) {
		p.forged++
		return false, false
	}
	return true, true
}

// write puts the page into the journal and returns the scripted answer.
func (p *Pager) write(g Page) Answer {
	p.mu.Lock()
	defer p.mu.Unlock()
	a := p.next(g.Staff)
	i := slices.IndexFunc(p.pages, func(old *Page) bool { return old.ID == g.ID })
	if i >= 0 {
		p.pages[i].Repeats++
	} else {
		if len(p.pages) == keep {
			p.pages = slices.Delete(p.pages, 0, 1)
		}
		p.pages = append(p.pages, &g)
		i = len(p.pages) - 1
	}
	switch a.verdict() {
	case Accepted:
		p.pages[i].Accepted = true
	case Refused:
		p.pages[i].Refused++
	}
	if p.journal != nil {
		p.journal(Request{Key: g.ID, Staff: g.Staff, Step: g.Step, Ticket: g.Ticket, Verdict: a.verdict()})
	}
	close(p.changed)
	p.changed = make(chan struct{})
	return a
}

func (a Answer) verdict() string {
	switch {
	case a.Hang:
		return AcceptedThenTimeout
	case a.Status == 0 || a.Status/100 == 2:
		return Accepted
	default:
		return Refused
	}
}

func (p *Pager) next(staff string) Answer {
	for _, who := range []string{staff, ""} {
		if s := p.scripts[who]; len(s) > 0 {
			p.scripts[who] = s[1:]
			return s[0]
		}
	}
	return Answer{}
}

func (p *Pager) answer(w http.ResponseWriter, r *http.Request, a Answer) {
	if a.Hang {
		select {
		case <-r.Context().Done():
		case <-p.quit:
		}
		panic(http.ErrAbortHandler) // hang up without an answer
	}
	if a.After > 0 {
		timer := time.NewTimer(a.After)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-r.Context().Done():
		case <-p.quit:
		}
	}
	if a.RetryAfterSeconds > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.RetryAfterSeconds))
	}
	if a.Status == 0 {
		a.Status = http.StatusOK
	}
	w.WriteHeader(a.Status)
}
