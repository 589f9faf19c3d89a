package app

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/protocol/ticket"
)

// closing is a flow that has stopped before the uplink, or whose disk fails.
type closing struct{ err error }

func (c closing) Remote(context.Context, []ticket.Transition) error { return c.err }

// The flow stops first: a Transition that comes then must not cost the
// connection that the last alarms go up by.
func TestATransitionWhileStoppingWaitsForTheEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		l := &link{flow: closing{flow.ErrClosed}}
		done := make(chan error, 1)
		go func() { done <- l.Transitions(ctx, nil) }()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("returned before the session's end: %v", err)
		default:
		}
		cancel()
		if err := <-done; !errors.Is(err, flow.ErrClosed) {
			t.Errorf("not kept, and yet %v", err)
		}
	})
	broken := errors.New("disk")
	if err := (&link{flow: closing{broken}}).Transitions(t.Context(), nil); !errors.Is(err, broken) {
		t.Errorf("a disk error became %v", err)
	}
}
