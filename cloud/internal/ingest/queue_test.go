package ingest

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/topic"
)

func msg(edge string, size int) message {
	return message{from: topic.Uplink{Estate: "g", Edge: edge}, payload: make([]byte, size)}
}

func TestEdgesTakeTurns(t *testing.T) {
	t.Parallel()
	q := newQueue(1000, 500)
	for range 5 {
		q.offer(msg("busy", 10))
	}
	q.offer(msg("calm", 10))
	q.offer(msg("calm", 10))
	order := ""
	for range 7 {
		m, err := q.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		order += m.from.Edge[:1]
	}
	if order != "bcbcbbb" {
		t.Errorf("order %s", order)
	}
}

// What an edge measures now does not wait for the three days that it drains.
func TestTheLiveLaneGoesFirst(t *testing.T) {
	t.Parallel()
	q := newQueue(1000, 500)
	order := ""
	for i, lane := range []envelope.Lane{envelope.LaneBackfill, envelope.LaneBackfill, envelope.LaneLive, envelope.LaneLive} {
		m := msg("a", i+1)
		m.lane = lane
		q.offer(m)
	}
	for range 4 {
		m, err := q.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		order += fmt.Sprint(len(m.payload))
	}
	if order != "3412" {
		t.Errorf("order %s", order)
	}
}

func TestASenderWaitsUntilSomethingIsSettled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(100, 50)
		if !q.offer(msg("a", 80)) {
			t.Fatal("a message larger than its share, alone, is refused")
		}
		if q.offer(msg("a", 1)) {
			t.Error("beyond its share")
		}
		if q.offer(msg("b", 30)) {
			t.Error("beyond all")
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := q.put(ctx, msg("b", 30)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("full: %v", err)
		}
		put := make(chan error, 1)
		go func() { put <- q.put(t.Context(), msg("b", 30)) }()
		synctest.Wait()
		m, err := q.take(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(put) != 0 {
			t.Error("taken is not settled: its bytes are still held")
		}
		q.settled(m)
		if err := <-put; err != nil {
			t.Error(err)
		}
	})
}

// Whatever is offered, taken and settled: bytes are exact, bounds hold, each
// edge's order holds, and nothing is left behind.
func TestQueueKeepsItsBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		q := newQueue(200, 80)
		var out []message
		held := map[string]int{}
		total, waiting := 0, 0
		for range rapid.IntRange(1, 200).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				m := msg(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "edge"), rapid.IntRange(1, 60).Draw(t, "size"))
				n := len(m.payload)
				fits := (total == 0 || total+n <= 200) && (held[m.from.Edge] == 0 || held[m.from.Edge]+n <= 80)
				if q.offer(m) != fits {
					t.Fatalf("offer of %d with %d of %s held, %d in all: want %v", n, held[m.from.Edge], m.from.Edge, total, fits)
				}
				if fits {
					held[m.from.Edge] += n
					total += n
					waiting++
				}
			case 1:
				m, ok := q.next()
				if ok != (waiting > 0) {
					t.Fatalf("next: %v with %d waiting", ok, waiting)
				}
				if ok {
					waiting--
					out = append(out, m)
				}
			case 2:
				if len(out) > 0 {
					m := out[0]
					out = out[1:]
					held[m.from.Edge] -= len(m.payload)
					total -= len(m.payload)
					q.settled(m)
				}
			}
			if q.bytes != total {
				t.Fatalf("holds %d bytes, counts %d", total, q.bytes)
			}
		}
	})
}
