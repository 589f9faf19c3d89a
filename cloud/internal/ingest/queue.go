package ingest

import (
	"context"
	"sync"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/topic"
)

// queue holds messages until they are settled, bounded by bytes in all and for
// each edge, and hands them out one edge after the other, so that an edge that
// drains three days delays the others by one message at a time, and its own
// present not at all: live messages go before the edge's others.
type queue struct {
	most, share int // bytes in all, and for one edge
	wake        chan struct{}

	mu    sync.Mutex
	edges map[topic.Uplink]*line
	turn  []topic.Uplink // edges with messages waiting, next first
	bytes int
	room  chan struct{} // closed and replaced when bytes become free
}

// line is one edge's part of the queue.
type line struct {
	live, others []message
	bytes        int // of messages waiting or handed out and not settled
}

func (l *line) empty() bool { return len(l.live)+len(l.others) == 0 }

func (l *line) push(m message) {
	to := &l.others
	if m.lane == envelope.LaneLive {
		to = &l.live
	}
	*to = append(*to, m)
}

// pop takes the next message of a line that is not empty.
func (l *line) pop() message {
	from := &l.live
	if len(l.live) == 0 {
		from = &l.others
	}
	m := (*from)[0]
	*from = (*from)[1:]
	return m
}

func newQueue(most, share int) *queue {
	return &queue{
		most: most, share: share, wake: make(chan struct{}, 1),
		edges: map[topic.Uplink]*line{}, room: make(chan struct{}),
	}
}

// offer takes m if there is room. A message larger than its share is taken
// while its edge has no other.
func (q *queue) offer(m message) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.offerLocked(m)
}

func (q *queue) offerLocked(m message) bool {
	l := q.edges[m.from]
	size := len(m.payload)
	if q.bytes > 0 && q.bytes+size > q.most || l != nil && l.bytes > 0 && l.bytes+size > q.share {
		return false
	}
	if l == nil {
		l = &line{}
		q.edges[m.from] = l
	}
	if l.empty() {
		q.turn = append(q.turn, m.from)
	}
	l.push(m)
	l.bytes += size
	q.bytes += size
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// put waits for room.
func (q *queue) put(ctx context.Context, m message) error {
	for {
		q.mu.Lock()
		if q.offerLocked(m) {
			q.mu.Unlock()
			return nil
		}
		room := q.room
		q.mu.Unlock()
		select {
		case <-room:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// take waits for the next message. Its bytes count until it is settled.
func (q *queue) take(ctx context.Context) (message, error) {
	for {
		if m, ok := q.next(); ok {
			return m, nil
		}
		select {
		case <-q.wake:
		case <-ctx.Done():
			return message{}, context.Cause(ctx)
		}
	}
}

func (q *queue) next() (message, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.turn) == 0 {
		return message{}, false
	}
	from := q.turn[0]
	q.turn = q.turn[1:]
	l := q.edges[from]
	m := l.pop()
	if !l.empty() {
		q.turn = append(q.turn, from)
	}
	if len(q.turn) > 0 { // another taker may be waiting
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
	return m, true
}

// settled gives a message's room back.
func (q *queue) settled(m message) {
	q.mu.Lock()
	defer q.mu.Unlock()
	size := len(m.payload)
	l := q.edges[m.from]
	l.bytes -= size
	q.bytes -= size
	if l.bytes == 0 && l.empty() {
		delete(q.edges, m.from)
	}
	close(q.room)
	q.room = make(chan struct{})
}
