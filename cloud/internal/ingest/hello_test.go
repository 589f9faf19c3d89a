package ingest_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/topic"
)

func helloOf(t *testing.T, edge, session, previous string) (string, []byte) {
	t.Helper()
	b, err := envelope.EncodeHello(envelope.Hello{Estate: "garden", Edge: edge, Epoch: "e1", Session: session, Previous: previous})
	if err != nil {
		t.Fatal(err)
	}
	return topic.Uplink{Estate: "garden", Edge: edge}.Hello(), b
}

// While one hello is being saved all others come: they share a transaction, and
// a clone among them is refused alone.
func TestHellosThatComeTogetherAreSavedTogether(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.start()
		defer c.stop()
		var begun atomic.Int32
		release := make(chan struct{})
		w.fault = func(point string) error {
			if point == "begin" {
				if begun.Add(1) == 1 {
					<-release
				}
			}
			return nil
		}
		errs := make([]error, 60)
		var wg sync.WaitGroup
		say := func(i int, session, previous string) {
			name, b := helloOf(t, fmt.Sprintf("g-%d", i), session, previous)
			wg.Go(func() { errs[i] = c.Receive(t.Context(), name, b) })
			synctest.Wait()
		}
		say(0, "s-first", "p-first")
		for i := 1; i < 59; i++ {
			say(i, fmt.Sprintf("s%d", i), fmt.Sprintf("p%d", i))
		}
		say(59, "another", "p7") // to the world, predecessors are everybody's
		close(release)
		wg.Wait()
		if begun.Load() != 2 {
			t.Errorf("%d transactions for 60 hellos", begun.Load())
		}
		clones := 0
		for i, err := range errs {
			if errors.Is(err, ingest.ErrClone) {
				clones++
			} else if err != nil {
				t.Errorf("hello %d: %v", i, err)
			}
		}
		if clones != 1 || len(w.tables.sessions) != 59 {
			t.Errorf("%d clones, %d sessions", clones, len(w.tables.sessions))
		}
	})
}

// A round that fails costs none of its hellos anything.
func TestHellosOfAFailedRoundAreSavedOneByOne(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.start()
		defer c.stop()
		var begun atomic.Int32
		release := make(chan struct{})
		w.fault = func(point string) error {
			if point != "begin" {
				return nil
			}
			switch begun.Add(1) {
			case 1:
				<-release
			case 2:
				return errors.New("the disk is busy")
			}
			return nil
		}
		var wg sync.WaitGroup
		for i := range 5 {
			name, b := helloOf(t, fmt.Sprintf("g-%d", i), fmt.Sprintf("s%d", i), fmt.Sprintf("p%d", i))
			wg.Go(func() {
				if err := c.Receive(t.Context(), name, b); err != nil {
					t.Errorf("hello %d: %v", i, err)
				}
			})
			synctest.Wait()
		}
		close(release)
		wg.Wait()
		if begun.Load() != 6 || len(w.tables.sessions) != 5 {
			t.Errorf("%d transactions, %d sessions", begun.Load(), len(w.tables.sessions))
		}
	})
}
