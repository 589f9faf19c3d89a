package uplink_test

import (
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/uplink"
	"github.com/linshao/linshao/protocol/envelope"
)

// The cloud's answer to the hello says how wrong the edge's clock is; so the
// first Envelope waits for it, and for a cloud that never answers not long.
func TestTheFirstEnvelopeWaitsForTheWelcome(t *testing.T) {
	c := newCloud(t, stored)
	r := newRig(t, c, nil)
	r.alarm(t, "a1")
	heard := make(chan int, 1)
	c.mu.Lock()
	c.welcome.CloudMS = 77
	c.welcome.Capabilities = []string{envelope.CanCorrect, "something newer"}
	c.mu.Unlock()
	r.run(t)
	m := <-r.measured
	c.mu.Lock()
	heard <- len(c.heard)
	c.mu.Unlock()
	if m.cloudMS != 77 || m.got <= m.sent {
		t.Errorf("measured %+v", m)
	}
	c.until(func() bool { return r.empty() })
	if w, ok := r.uplink.Welcome(); !ok || len(w.Capabilities) != 2 || w.Session != c.hellos[0].Session {
		t.Errorf("welcomed with %+v", w)
	}
}

func TestAnOldCloudThatWelcomesNobodyGetsEverything(t *testing.T) {
	c := newCloud(t, stored)
	c.welcome, c.old = nil, true
	r := newRig(t, c, nil)
	r.alarm(t, "a1")
	r.samples(t, 0, 3)
	r.run(t)
	c.until(func() bool { return r.empty() })
	if _, ok := r.uplink.Welcome(); ok {
		t.Error("welcomed by nobody")
	}
}

func TestARefusalIsToldWithItsReason(t *testing.T) {
	for name, dropped := range map[string]bool{"and the connection ends": true, "and the connection stays": false} {
		t.Run(name, func(t *testing.T) {
			c := newCloud(t, stored)
			c.welcome.Refused, c.refuse = envelope.RefusedSchema, dropped
			r := newRig(t, c, func(o *uplink.Options) { o.Backoff = [2]time.Duration{time.Millisecond, 5 * time.Millisecond} })
			r.alarm(t, "a1")
			r.run(t)
			c.until(func() bool {
				w, ok := r.uplink.Welcome()
				return ok && w.Refused == envelope.RefusedSchema && len(c.hellos) > 1
			})
			c.mu.Lock()
			if len(c.heard) != 0 || r.empty() {
				t.Error("something was sent to a cloud that refuses")
			}
			c.welcome.Refused, c.refuse = "", false
			c.mu.Unlock()
			c.until(func() bool { return r.empty() })
		})
	}
}
