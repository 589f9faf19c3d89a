package triage

import "github.com/linshao/linshao/protocol/ticket"

// maxTaken is how many instants are remembered. It spans what devices send
// again after a crash, not history.
const maxTaken = 1024

// instant identifies one beginning of one condition.
type instant struct {
	Key  ticket.Key `json:"key"`
	AtMS int64      `json:"at"`
}

// taken remembers which beginnings were taken, so that one that is told again
// is not counted again.
type taken struct {
	known map[instant]bool
	// order is a ring, next the place of the oldest once it is full.
	order []instant
	next  int
}

// add reports false for an instant that is known.
func (t *taken) add(k ticket.Key, atMS int64) bool {
	i := instant{k, atMS}
	if t.known[i] {
		return false
	}
	if t.known == nil {
		t.known = map[instant]bool{}
	}
	t.known[i] = true
	if len(t.order) < maxTaken {
		t.order = append(t.order, i)
		return true
	}
	delete(t.known, t.order[t.next])
	t.order[t.next] = i
	t.next = (t.next + 1) % maxTaken
	return true
}

// list returns the instants, oldest first.
func (t *taken) list() []instant {
	return append(append([]instant(nil), t.order[t.next:]...), t.order[:t.next]...)
}
