package app

import (
	"errors"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/driver/mqtt"
	"github.com/linshao/linshao/edge/internal/vfs"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
)

// remote writes down the Commands that reached a device.
type remote struct {
	got     []string
	expires []int64
}

func (r *remote) Command(device string, c mqtt.Command) error {
	r.got, r.expires = append(r.got, device+" "+c.ID+" "+c.Name), append(r.expires, c.ExpiresMS)
	return errors.New("nobody listens")
}

// station is an edge's downlink at the cloud's time cloudMS + 1 min, its own
// clock an hour ahead.
func station(t *testing.T, r *remote) (*link, *wrist) {
	t.Helper()
	x, w := wake(t, vfs.NewMem(), "b", time.Hour)
	w.Advance(time.Minute)
	x.measured(time.Minute-20*time.Millisecond, time.Minute, cloudMS+60_000-10)
	return &link{times: x, log: slog.New(slog.DiscardHandler), devices: func() commander { return r }}, w
}

func TestACommandIsPassedOnOnceAndInTime(t *testing.T) {
	t.Parallel()
	r := &remote{}
	l, w := station(t, r)
	now := int64(cloudMS + 60_000)
	send := func(id string, issued, expires int64) {
		l.Command(t.Context(), envelope.Command{ID: id, Device: "gate-1", Name: "open", IssuedMS: issued, ExpiresMS: expires})
	}
	send("a", now-100, now+5000)
	send("a", now-100, now+5000) // again, after a lost connection
	send("late", now-9000, now-100)
	send("just late", now-9000, now+11) // it may be over already
	send("never", now-100, 0)
	send("too long", now-100, now+20_000)
	send("undated", 0, now+5000)
	send("b", now-100, now+100)
	if want := []string{"gate-1 a open", "gate-1 b open"}; !slices.Equal(r.got, want) {
		t.Fatalf("passed on %q, want %q", r.got, want)
	}
	if want := clock.NowMS(w) + 5000; r.expires[0] != want {
		t.Errorf("expires %d ms from what the devices' clocks will say", r.expires[0]-want)
	}
	w.Advance(time.Minute)
	send("c", now+59_900, now+61_000)
	if len(l.orders.taken) != 1 {
		t.Errorf("expired commands are remembered: %v", l.orders.taken)
	}
}

// The id of a command that ran is not on disk: what was given before this start
// may have run, and does not run again.
func TestACommandFromBeforeARestartDoesNotRunAgain(t *testing.T) {
	t.Parallel()
	r := &remote{}
	l, _ := station(t, r)
	c := envelope.Command{ID: "open-1", Device: "gate-1", Name: "open", IssuedMS: cloudMS + 59_000, ExpiresMS: cloudMS + 68_000}
	l.Command(t.Context(), c)
	if len(r.got) != 1 {
		t.Fatal("the command did not run before the restart")
	}
	// Killed, started again two seconds later, and the command comes again.
	x := &times{clock: &wrist{Fake: clock.NewFake(time.UnixMilli(cloudMS + 61_000)), boot: "next"}, log: l.log, noted: true}
	again := &link{times: x, log: l.log, devices: l.devices}
	again.Command(t.Context(), c)
	x.measured(0, 100*time.Millisecond, cloudMS+61_050)
	again.Command(t.Context(), c)
	if len(r.got) != 1 {
		t.Errorf("ran again: %q", r.got)
	}
	x.clock.(*wrist).Advance(time.Second)
	c.ID, c.IssuedMS = "open-2", cloudMS+61_900
	again.Command(t.Context(), c)
	if len(r.got) != 2 {
		t.Errorf("a new command does not run: %q", r.got)
	}
}

func TestNoCommandBeforeDevicesMaySignIn(t *testing.T) {
	t.Parallel()
	r := &remote{}
	l, _ := station(t, r)
	l.devices = func() commander { return nil }
	c := envelope.Command{ID: "a", Device: "gate-1", IssuedMS: cloudMS + 59_900, ExpiresMS: cloudMS + 65_000}
	l.Command(t.Context(), c)
	l.devices = func() commander { return r }
	l.Command(t.Context(), c)
	if len(r.got) != 1 {
		t.Errorf("passed on %q", r.got)
	}
}
