package app

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/driver/mqtt"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
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
