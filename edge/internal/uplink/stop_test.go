package uplink_test

import (
	"context"
	"errors"
	"testing"

	"github.com/linshao/linshao/edge/internal/uplink"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/ticket"
)

// What was recorded just before the end still reaches the cloud.
func TestStoppingTakesTheLastAlarmAlong(t *testing.T) {
	c := newCloud(t, stored)
	r := newRig(t, c, nil)
	stop := r.run(t)
	c.until(r.uplink.Connected)
	r.alarm(t, "last")
	r.samples(t, 0, 3)
	stop()
	if !r.empty() {
		t.Errorf("left behind: %+v", r.outbox.Stats())
	}
}

// deaf is a Downlink that never finishes.
type deaf struct {
	*rig
	called chan struct{}
}

func (d deaf) Transitions(ctx context.Context, _ []ticket.Transition) error {
	d.called <- struct{}{}
	<-ctx.Done()
	return context.Cause(ctx)
}

// A Downlink that is stuck (its disk is full) does not keep alarms from going
// up, on this connection and on the next.
func TestAStuckDownlinkHoldsUpNothing(t *testing.T) {
	c := newCloud(t, stored)
	var d deaf
	r := newRig(t, c, func(o *uplink.Options) {
		d = deaf{o.Downlink.(*rig), make(chan struct{}, 8)}
		o.Downlink = d
	})
	r.run(t)
	c.until(r.uplink.Connected)
	b, err := envelope.EncodeTransitions([]ticket.Transition{{ID: "x", Ticket: "t", Kind: ticket.Accept}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.broker.Publish(edge.Transition(), b, 1, false); err != nil {
		t.Fatal(err)
	}
	<-d.called
	r.alarm(t, "a1")
	c.until(r.empty)
	c.broker.Disconnect("sunrise/e1")
	r.alarm(t, "a2")
	c.until(func() bool { return len(c.hellos) >= 2 && r.empty() })
}

// broken is a Source one of whose logs cannot be read.
type broken struct{ uplink.Source }

func (b broken) Lease(log envelope.Log, from, to uint64, maxBytes int) (envelope.Envelope, uint64, error) {
	if log == envelope.Samples {
		return envelope.Envelope{}, from, errors.New("input/output error")
	}
	return b.Source.Lease(log, from, to, maxBytes)
}

func TestALogThatCannotBeReadDoesNotSilenceTheOther(t *testing.T) {
	c := newCloud(t, stored)
	r := newRig(t, c, func(o *uplink.Options) { o.Source = broken{o.Source} })
	r.samples(t, 0, 3)
	r.alarm(t, "a1")
	r.run(t)
	c.until(func() bool { return r.outbox.Stats().Alarm.Records == 0 })
	r.alarm(t, "a2")
	c.until(func() bool { return r.outbox.Stats().Alarm.Records == 0 })
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.hellos) != 1 {
		t.Errorf("%d connections", len(c.hellos))
	}
}
