package app

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linshao/linshao/edge/internal/driver/mqtt"
	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/ticket"
)

// remote writes down the Commands that reached a device.
type remote struct{ got []string }

func (r *remote) Command(device string, c mqtt.Command) error {
	r.got = append(r.got, device+" "+c.ID+" "+c.Name)
	return errors.New("nobody listens")
}

func TestACommandIsPassedOnOnceAndInTime(t *testing.T) {
	t.Parallel()
	r, ready := &remote{}, false
	l := &link{clock: clock.NewSystem(), log: slog.New(slog.DiscardHandler), passed: map[string]int64{"old": 1}, devices: func() commander {
		if !ready {
			return nil
		}
		return r
	}}
	soon := time.Now().Add(time.Hour).UnixMilli()
	send := func(id string, expires int64) {
		l.Command(t.Context(), envelope.Command{ID: id, Device: "gate-1", Name: "open", ExpiresMS: expires})
	}
	send("early", soon) // before devices may sign in: it was not passed on
	ready = true
	send("early", soon)
	send("a", soon)
	send("a", soon) // again, after a lost connection
	send("late", time.Now().Add(-time.Second).UnixMilli())
	send("never", 0)
	if want := []string{"gate-1 early open", "gate-1 a open"}; !slices.Equal(r.got, want) {
		t.Errorf("passed on %q, want %q", r.got, want)
	}
	if _, kept := l.passed["old"]; kept {
		t.Error("expired commands are remembered")
	}
}

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

func TestOnlyAClockNearTheCloudsIsVouchedFor(t *testing.T) {
	t.Parallel()
	if d := 3 * time.Second; d <= trustWithin {
		t.Fatal("the story does not fit")
	}
	l := &link{clock: clock.NewSystem()}
	before := l.clock.Trusted()
	l.Skew(-3 * time.Second)
	if l.clock.Trusted() != before {
		t.Error("a clock 3 s off is believed")
	}
	l.Skew(-time.Second)
	if !l.clock.Trusted() {
		t.Error("a clock 1 s off is not believed")
	}
}
