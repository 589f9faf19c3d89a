package mqtt

import (
	"strings"
	"sync"
)

const (
	// maxRejected bounds the Quarantine; the oldest goes first.
	maxRejected = 100
	// maxRejectedBytes is how much of a payload is kept.
	maxRejectedBytes = 512
)

// Rejected is a payload that nobody could read, or that was read in part.
type Rejected struct {
	AtMS          int64
	Device, Topic string
	// Reason is of a closed set of codes.
	Reason string
	// Payload is its beginning, as valid UTF-8.
	Payload string
}

// Quarantine keeps the newest rejected payloads in memory, for people to look
// at. It is safe for concurrent use.
type Quarantine struct {
	mu sync.Mutex
	// ring holds the newest, next is where the following one goes; guarded
	// by mu.
	ring []Rejected
	next int
}

func newQuarantine() *Quarantine { return &Quarantine{} }

func (q *Quarantine) add(r Rejected, payload []byte) {
	r.Payload = strings.ToValidUTF8(string(payload[:min(len(payload), maxRejectedBytes)]), "\uFFFD")
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ring) < maxRejected {
		q.ring = append(q.ring, r)
		return
	}
	q.ring[q.next] = r
	q.next = (q.next + 1) % maxRejected
}

// List returns what is kept, newest first.
func (q *Quarantine) List() []Rejected {
	q.mu.Lock()
	defer q.mu.Unlock()
	out := make([]Rejected, 0, len(q.ring))
	for i := range q.ring {
		out = append(out, q.ring[(q.next+len(q.ring)-1-i)%len(q.ring)])
	}
	return out
}
