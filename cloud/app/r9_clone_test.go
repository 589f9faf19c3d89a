package app

import (
	"context"
	"errors"
	"fmt"

	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/protocol/envelope"
)

// greet opens a connection: a new session that follows the last one.
func (w *replayWorld) greet(ctx context.Context, in *ingest.Ingest, e *deafEdge) error {
	e.previous, e.session = e.session, fmt.Sprintf("%s-%d-%d", e.Edge, e.machine, w.rng.Uint64())
	err := w.hello(ctx, in, e)
	if err != nil {
		e.session = e.previous // not taken: it is announced again
	}
	return err
}

func (w *replayWorld) hello(ctx context.Context, in *ingest.Ingest, e *deafEdge) error {
	b, err := envelope.EncodeHello(envelope.Hello{
		Schema: envelope.SchemaVersion, Estate: e.Estate, Edge: e.Edge, Version: "0.1.0", Epoch: e.epoch(), Session: e.session, Previous: e.previous,
		Boot: fmt.Sprint("boot-", e.machine), EdgeMS: w.site.clock.Now().UnixMilli(), ClockTrusted: true,
		Devices: []envelope.Device{{ID: e.Edge + "-lift", Kind: "elevator", Profile: "lift-terminal"}},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return in.Receive(ctx, e.Hello(), b)
}

func (w *replayWorld) greetAll(ctx context.Context, in *ingest.Ingest) {
	for _, e := range w.edges {
		if err := w.greet(ctx, in, e); err != nil {
			w.row.Violation("an honest edge is refused: %v", err)
		}
		for range w.rng.IntN(3) { // its PUBACK got lost
			if err := w.hello(ctx, in, e); err != nil {
				w.row.Violation("a hello said twice is refused: %v", err)
			}
		}
	}
}

// cloned runs a copy of the disk beside the edge. Whoever comes first is the
// edge from then on; the other is refused, always, and what it makes is never
// seen. What both had before may come from either.
func (w *replayWorld) cloned(ctx context.Context, in *ingest.Ingest, e *deafEdge) {
	w.mu.Lock()
	pair := []*deafEdge{e, e.clone()}
	at := 0
	for i := range w.edges {
		if w.edges[i] == e {
			at = i
		}
	}
	copied, ok := pair[1].batch(envelope.Samples)
	w.mu.Unlock()
	if w.rng.IntN(2) == 0 {
		pair[0], pair[1] = pair[1], pair[0]
	}
	if err := w.greet(ctx, in, pair[0]); err != nil {
		w.row.Violation("the first of two copies is refused: %v", err)
	}
	for range 1 + w.rng.IntN(3) {
		if err := w.greet(ctx, in, pair[1]); !errors.Is(err, ingest.ErrClone) {
			w.row.Violation("a cloned outbox is not refused: %v", err)
		}
	}
	if ok { // it was on its way when the copy was refused
		w.send(ctx, in, w.encode(copied))
	}
	w.row.Count("clones", 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.edges[at] = pair[0]
	// Each machine makes other Records from here on.
	pair[0].machine = max(e.machine, pair[0].machine) + 2
	pair[1].record(envelope.Samples, false)
	w.ghosts = append(w.ghosts, pair[1])
}
