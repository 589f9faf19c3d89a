package console

import (
	"slices"
	"sync"

	"github.com/linshao/linshao/cloud/internal/access"
)

// Sessions are the event streams that people hold open; through them the
// in-page channel reaches whoever looks. The zero value is ready for use; it
// is safe for concurrent use.
type Sessions struct {
	mu sync.Mutex
	// open holds each person's streams.
	open map[string][]*session
}

type session struct {
	scope access.Scope
	pages chan []byte
}

// pagesWaiting bounds what one stream may be behind with; a stream that is
// further behind does not take the page, and the next channel opens.
const pagesWaiting = 16

// Page offers body to every stream of a person who sees the estate and returns
// how many took it. It does not block and does not keep body.
func (s *Sessions) Page(estate, staff string, body []byte) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	taken := 0
	for _, x := range s.open[staff] {
		if !x.scope.Estate(estate) {
			continue
		}
		select {
		case x.pages <- slices.Clone(body):
			taken++
		default:
		}
	}
	return taken
}

// enter begins a stream of p; leave ends it. Somebody who is bound to no
// person gets a channel that stays silent.
func (s *Sessions) enter(p access.Principal) (pages <-chan []byte, leave func()) {
	if p.Staff == "" {
		return nil, func() {}
	}
	x := &session{scope: p.Scope, pages: make(chan []byte, pagesWaiting)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open = map[string][]*session{}
	}
	s.open[p.Staff] = append(s.open[p.Staff], x)
	return x.pages, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.open[p.Staff] = slices.DeleteFunc(s.open[p.Staff], func(o *session) bool { return o == x })
		if len(s.open[p.Staff]) == 0 {
			delete(s.open, p.Staff)
		}
	}
}
