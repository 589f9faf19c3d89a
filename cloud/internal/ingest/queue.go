package ingest

import (
	"context"
	"sync"

	"github.com/linshao/linshao/protocol/topic"
)

// queue holds messages until they are settled, bounded by bytes in all and for
// each edge, and hands them out one edge after the other, so that an edge that
// drains three days delays the others by one message at a time.
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
	waiting []message
	bytes   int // of messages waiting or handed out and not settled
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
	if len(l.waiting) == 0 {
		q.turn = append(q.turn, m.from)
	}
	l.waiting = append(l.waiting, m)
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
	m := l.waiting[0]
	l.waiting = l.waiting[1:]
	if len(l.waiting) > 0 {
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
	if l.bytes == 0 && len(l.waiting) == 0 {
		delete(q.edges, m.from)
	}
	close(q.room)
	q.room = make(chan struct{})
}
