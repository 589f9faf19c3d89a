package ingest

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/backoff"
	"github.com/linshao/linshao/protocol/kit/chaos"
)

// lane is one pipeline: queue, decoder, committer. The committer takes whatever
// has been decoded while it committed the group before.
type lane struct {
	*Ingest
	queue   *queue
	series  bool // samples go into the series store first
	decoded chan *work
	// room bounds what is decoded and not settled, by weight.
	room   *semaphore.Weighted
	ledger *ledger
	moves  *moves
}

const (
	// weights: a Sample is 1, an Envelope at least minWeight. Decoded
	// Samples take some 130 bytes each. What is decoded goes before whatever
	// comes, a live Sample too: it is a fraction of a second of work.
	minWeight   = 64
	roomWeight  = 100_000
	groupWeight = 50_000
	groupLength = 1024
)

func newLane(i *Ingest, q *queue, series bool) *lane {
	return &lane{
		Ingest: i, queue: q, series: series,
		decoded: make(chan *work, roomWeight/minWeight), room: semaphore.NewWeighted(roomWeight), ledger: newLedger(), moves: newMoves(),
	}
}

// work is one Envelope on its way through.
type work struct {
	message
	envelope.Envelope
	log     LogID
	covered envelope.RangeSet
	weight  int64
	// reason is why it is rejected; empty if it is not.
	reason string
	// repeated: the ledger holds all of it already.
	repeated bool
}

// behind reports whether the edge has more of this log on its way.
func (w *work) behind() bool {
	n := len(w.covered)
	return n > 0 && w.Head > w.covered[n-1].Last
}

// run works until ctx ends.
func (l *lane) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { l.decode(ctx) })
	wg.Go(func() { l.commitAll(ctx) })
	wg.Wait()
}

// decode turns messages into work, in order: Transitions have one, and samples
// that arrive out of order cost the series store several times as much.
func (l *lane) decode(ctx context.Context) {
	for {
		m, err := l.queue.take(ctx)
		if err != nil {
			return
		}
		w := l.open(m)
		if w == nil {
			l.queue.settled(m)
			continue
		}
		if l.room.Acquire(ctx, w.weight) != nil {
			return
		}
		l.decoded <- w // has room: each work weighs at least minWeight
	}
}

// open decodes and judges a message, nil if nothing can be answered.
func (l *lane) open(m message) *work {
	e, err := envelope.Decode(m.payload)
	log := l.o.Log.With("estate", m.from.Estate, "edge", m.from.Edge, "lane", m.lane)
	if err != nil && !answerable(&e) {
		log.Error("an envelope cannot be read, not even its sequences", "err", err, "bytes", len(m.payload))
		l.count(m, resultUnreadable)
		return nil
	}
	if foreign(m.from, &e) {
		log.Error("an envelope names another edge or no log", "says_estate", e.Estate, "says_edge", e.Edge, "log", e.Log)
		l.count(m, resultForeign)
		return nil
	}
	if !envelope.Understands(e.LeastSchema) {
		// Rejected would be forgotten: the edge keeps it until we are newer.
		log.Error("an envelope demands a newer collector: upgrade", "schema", e.LeastSchema, "knows", envelope.SchemaVersion)
		l.count(m, resultNewer)
		return nil
	}
	w := &work{
		message: m, Envelope: e, log: LogID{Estate: e.Estate, Edge: e.Edge, Epoch: e.Epoch, Log: e.Log},
		weight: min(max(minWeight, int64(len(e.Samples))), groupWeight),
	}
	if err != nil {
		w.reason = reasonUndecodable
	} else {
		w.reason = verdict(m.lane, &e)
	}
	if w.reason != reasonSequences {
		w.covered = covered(&e)
	}
	if w.reason != "" {
		log.Error("an envelope can never be stored", "reason", w.reason, "err", err, "sequences", e.Sequences)
		w.Samples, w.Events, w.Transitions = nil, nil, nil
	}
	putRight(&w.Envelope)
	return w
}

// commitAll commits group after group.
func (l *lane) commitAll(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-l.decoded:
			group := l.gather(first)
			l.commit(ctx, group)
			for _, w := range group {
				l.room.Release(w.weight)
				l.queue.settled(w.message)
			}
		}
	}
}

// gather adds to first what has been decoded by now.
func (l *lane) gather(first *work) []*work {
	group, weight := []*work{first}, first.weight
	for weight < groupWeight && len(group) < groupLength {
		select {
		case w := <-l.decoded:
			group, weight = append(group, w), weight+w.weight
		default:
			return group
		}
	}
	return group
}

// commit makes a group durable step by step and answers what is: the ledger is
// asked first, then times are decided, then series, then one transaction with
// the effects and the ledger's marks. What is not committed gets no Receipt and
// comes again.
func (l *lane) commit(ctx context.Context, group []*work) {
	fresh := l.place(ctx, l.sift(ctx, group))
	if chaos.Broken(chaos.ReceiptBeforeCommit) {
		l.answer(ctx, fresh)
	}
	if !l.store(ctx, fresh) {
		return
	}
	wait := backoff.New(l.o.Clock, firstRetry, lastRetry)
	for try := 1; len(fresh) > 0; try++ {
		l.dieBefore()
		done, left, err := l.settle(ctx, fresh)
		l.dieAfter()
		l.answer(ctx, done)
		if len(left) == 0 {
			return
		}
		l.o.Log.Error("envelopes are not committed, their edges keep them", "envelopes", len(left), "try", try, "err", err)
		// What fails while others go through is at fault itself: it must
		// not hold up what comes behind.
		if len(done) > 0 || try == tries || wait.Wait(ctx) != nil {
			for _, w := range left {
				l.count(w.message, resultUncommitted)
			}
			return
		}
		fresh = left
	}
}

const (
	firstRetry = 50 * time.Millisecond
	lastRetry  = 2 * time.Second
	// tries of a transaction that fails as a whole, before its Envelopes are
	// left to be sent again: with one alone it cannot be told whether it or
	// the database is at fault.
	tries = 6
)

// until tries f until it succeeds, and reports whether it did before ctx ended.
// It is for what can only fail as a whole: the queue fills up meanwhile, and
// the edges keep what has no Receipt.
func (l *lane) until(ctx context.Context, what string, f func() error) bool {
	wait := backoff.New(l.o.Clock, firstRetry, lastRetry)
	for {
		err := f()
		if err == nil {
			return true
		}
		l.o.Log.Error(what+" fails, the edges keep their samples", "err", err)
		if wait.Wait(ctx) != nil {
			return false
		}
	}
}
