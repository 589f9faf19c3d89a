package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/topic"
)

// hello saves what an edge says about itself.
func (i *Ingest) hello(ctx context.Context, from topic.Uplink, payload []byte) error {
	h, err := envelope.DecodeHello(payload)
	if err == nil && (h.Estate != from.Estate || h.Edge != from.Edge) {
		err = fmt.Errorf("hello of %s/%s came by the topic of %s/%s", h.Estate, h.Edge, from.Estate, from.Edge)
	}
	if err == nil && !envelope.Understands(h.LeastSchema) {
		err = fmt.Errorf("schema %d is demanded: %w", h.LeastSchema, ErrNewer)
	}
	if err == nil {
		err = i.save(ctx, h)
	}
	result := "saved"
	switch {
	case errors.Is(err, ErrClone):
		result = "clone"
		i.o.Log.Error("an edge runs twice, from copies of one disk: stop one of them and give it a new edge id and an empty data_dir",
			"estate", from.Estate, "edge", from.Edge, "session", h.Session, "predecessor", h.Previous, "epoch", h.Epoch)
	case errors.Is(err, ErrNewer):
		result = "newer"
	case err != nil:
		result = "failed"
	}
	i.metrics.hellos.WithLabelValues(result).Inc()
	if err != nil {
		return fmt.Errorf("hello of %s/%s: %w", from.Estate, from.Edge, err)
	}
	return nil
}

// hellos gathers those that come while others are being saved. After an outage
// of the cloud all edges come back at once: a transaction for each would queue
// before the alarms that they bring.
type hellos struct {
	// turn has one place: a round at a time is being saved.
	turn chan struct{}

	mu sync.Mutex
	// next is the round that still takes hellos; nil if there is none.
	next *round
}

// helloRound bounds a round, and with it how long alarms wait for one.
const helloRound = 64

// roundBound ends a round that the database does not answer.
const roundBound = 10 * time.Second

// round is saved in one transaction.
type round struct {
	hellos []envelope.Hello
	done   chan struct{}
	// errs, by hello, and failed, of all of them, are set before done closes.
	errs   []error
	failed error
}

func newHellos() hellos { return hellos{turn: make(chan struct{}, 1)} }

// join adds a hello to the next round and says where; the first one leads.
func (s *hellos) join(h envelope.Hello) (r *round, at int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == nil || len(s.next.hellos) == helloRound {
		s.next = &round{done: make(chan struct{})}
	}
	s.next.hellos = append(s.next.hellos, h)
	return s.next, len(s.next.hellos) - 1
}

// depart closes a round to more hellos.
func (s *hellos) depart(r *round) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.next == r {
		s.next = nil
	}
}

// save returns when the hello is durable, or why it is not. A round that fails
// says nothing about one of its hellos: each is tried by itself then.
func (i *Ingest) save(ctx context.Context, h envelope.Hello) error {
	r, at := i.hellos.join(h)
	if at == 0 {
		i.lead(ctx, r)
	}
	select {
	case <-r.done:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	if r.failed == nil {
		return r.errs[at]
	}
	errs, err := i.commitHellos(ctx, []envelope.Hello{h})
	if err != nil {
		return err
	}
	return errs[0]
}

// lead commits a round when its turn has come.
func (i *Ingest) lead(ctx context.Context, r *round) {
	defer close(r.done)
	i.hellos.turn <- struct{}{}
	defer func() { <-i.hellos.turn }()
	i.hellos.depart(r)
	// The leader's connection may end; those of the others did not.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), roundBound)
	defer cancel()
	r.errs, r.failed = i.commitHellos(ctx, r.hellos)
}

// commitHellos saves them in one transaction. What it says of a single one is
// that it is a clone.
func (i *Ingest) commitHellos(ctx context.Context, hs []envelope.Hello) ([]error, error) {
	errs := make([]error, len(hs))
	order := make([]int, len(hs))
	for k := range order {
		order[k] = k
	}
	// Every collector locks edges in one order. Stable: an edge's hellos are
	// saved as they came.
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(hs[a].Estate, hs[b].Estate), cmp.Compare(hs[a].Edge, hs[b].Edge))
	})
	chaos.At("ingest.hello.before")
	err := i.o.InTx(ctx, func(tx Tx) error {
		for _, k := range order {
			errs[k] = tx.SaveHello(ctx, hs[k], clock.NowMS(i.o.Clock))
			if errs[k] != nil && !errors.Is(errs[k], ErrClone) {
				return errs[k]
			}
		}
		return nil
	})
	chaos.At("ingest.hello.after")
	return errs, err
}
