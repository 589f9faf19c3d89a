package mqttbroker

import (
	"context"
	"sync"
)

// sessions knows every open session, and tells Presence who is there.
type sessions struct {
	presence Presence

	mu    sync.Mutex
	byKey map[string]*session
	live  map[Identity]*attendance
	// all open ones, superseded ones included.
	open map[*session]struct{}
}

// attendance counts the sessions of one Identity.
type attendance struct {
	count int
	// ending is not nil while the last session's will is being handed over:
	// a new session waits for it, so that a will never overtakes what the
	// revived client says.
	ending chan struct{}
}

func newSessions(p Presence) sessions {
	return sessions{presence: p, byKey: map[string]*session{}, live: map[Identity]*attendance{}, open: map[*session]struct{}{}}
}

// enter registers s and returns the session it replaces, if any.
func (r *sessions) enter(ctx context.Context, s *session) (*session, error) {
	for {
		r.mu.Lock()
		a := r.live[s.who]
		if a == nil {
			a = &attendance{}
			r.live[s.who] = a
		}
		if a.ending == nil {
			former := r.enterLocked(s, a)
			r.mu.Unlock()
			return former, nil
		}
		ending := a.ending
		r.mu.Unlock()
		select {
		case <-ending:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func (r *sessions) enterLocked(s *session, a *attendance) *session {
	former := r.byKey[s.key]
	r.byKey[s.key] = s
	r.open[s] = struct{}{}
	if a.count++; a.count == 1 && r.presence != nil {
		r.presence.Changed(s.who, true, true)
	}
	return former
}

// leave removes s; once, if it was ever in. If it was the Identity's last
// session, will (which may be nil and may block) is called first.
func (r *sessions) leave(s *session, clean, silent bool, will func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, in := r.open[s]; !in {
		return
	}
	a := r.live[s.who]
	if a.count == 1 && will != nil {
		a.ending = make(chan struct{})
		r.mu.Unlock()
		will()
		r.mu.Lock()
		close(a.ending)
		a.ending = nil
	}
	delete(r.open, s)
	if r.byKey[s.key] == s {
		delete(r.byKey, s.key)
	}
	if a.count--; a.count > 0 {
		return
	}
	delete(r.live, s.who)
	if r.presence != nil && !silent {
		r.presence.Changed(s.who, false, clean)
	}
}

func (r *sessions) all() []*session {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]*session, 0, len(r.open))
	for s := range r.open {
		all = append(all, s)
	}
	return all
}

func (r *sessions) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.open)
}
