package memnet

import (
	"container/heap"
	"sync"
	"time"
)

// Bus decides what happens next. Everything that one part of a simulation does
// to another is an event on it; events happen one at a time, in the order of
// their instants, each when all that the one before caused has come to rest.
//
// It is made for a bubble of testing/synctest, whose Wait is its settle. Events
// of one instant happen in the order of their ranks, and so in the same order
// in every run, whichever goroutine put them there first.
type Bus struct {
	settle func()
	start  time.Time
	wake   chan struct{} // has room for one signal: an event was put

	mu    sync.Mutex // guards the following
	queue eventQueue
	put   uint64
	done  uint64
}

// NewBus returns a Bus whose time begins now. settle returns when nothing else
// can go on before time does.
func NewBus(settle func()) *Bus {
	return &Bus{settle: settle, start: time.Now(), wake: make(chan struct{}, 1)}
}

// Now is the time since the Bus was made.
func (b *Bus) Now() time.Duration { return time.Since(b.start) }

// Events is how many have happened.
func (b *Bus) Events() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.done
}

// At has do called at the given instant, or at once if that has passed. do must
// not block; it may put events.
func (b *Bus) At(at time.Duration, rank uint64, do func()) {
	b.mu.Lock()
	b.put++
	heap.Push(&b.queue, event{at: at, rank: rank, put: b.put, do: do})
	b.mu.Unlock()
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// Run lets events happen until the given instant, those of that instant
// included. One goroutine calls it.
func (b *Bus) Run(until time.Duration) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		b.settle()
		e, next := b.take(until)
		if e != nil {
			e()
			continue
		}
		now := b.Now()
		if now >= until {
			return
		}
		timer.Reset(min(next, until) - now)
		select {
		case <-timer.C:
		case <-b.wake:
		}
	}
}

// take returns the event that is due, or when the next one will be.
func (b *Bus) take(until time.Duration) (do func(), next time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) == 0 {
		return nil, until
	}
	e := b.queue[0]
	if e.at > min(b.Now(), until) {
		return nil, e.at
	}
	heap.Pop(&b.queue)
	b.done++
	return e.do, 0
}

type event struct {
	at        time.Duration
	rank, put uint64
	do        func()
}

type eventQueue []event

func (q eventQueue) Len() int { return len(q) }
func (q eventQueue) Less(i, j int) bool {
	a, b := &q[i], &q[j]
	if a.at != b.at {
		return a.at < b.at
	}
	if a.rank != b.rank {
		return a.rank < b.rank
	}
	return a.put < b.put
}
func (q eventQueue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *eventQueue) Push(x any)   { *q = append(*q, x.(event)) }
func (q *eventQueue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = event{}
	*q = (*q)[:last]
	return e
}
