package uplink

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/linshao/linshao/edge/internal/mqttlink"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
)

// lookEvery is how often Envelopes without a Receipt are looked for.
const lookEvery = time.Second

// downQueue bounds what waits to be handled by the Downlink.
const downQueue = 256

// errSilent: the cloud takes Envelopes and gives no Receipts.
var errSilent = errors.New("no receipts come back")

// session sends over one connection. One goroutine owns it; a second one hands
// to the Downlink what came down.
type session struct {
	u      *Uplink
	link   *mqttlink.Link
	lanes  []*cursor // in order of precedence
	window window
	down   chan mqttlink.Message
}

func newSession(u *Uplink, link *mqttlink.Link) *session {
	alarm, _ := u.o.Source.Ends(envelope.Alarm)
	oldest, end := u.o.Source.Ends(envelope.Samples)
	return &session{
		u: u, link: link, down: make(chan mqttlink.Message, downQueue),
		lanes: []*cursor{
			{lane: envelope.LaneAlarm, log: envelope.Alarm, from: alarm, to: math.MaxInt64},
			{lane: envelope.LaneLive, log: envelope.Samples, from: end, to: math.MaxInt64},
			{lane: envelope.LaneBackfill, log: envelope.Samples, from: oldest, to: end},
		},
	}
}

// run sends until the connection breaks or ctx ends.
func (s *session) run(ctx context.Context) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var downward sync.WaitGroup
	defer downward.Wait()
	defer close(s.down)
	downward.Go(func() {
		for m := range s.down {
			if err := s.descend(ctx, m); err != nil {
				cancel(err)
			}
		}
	})
	look := s.u.o.Clock.NewTimer(lookEvery)
	defer look.Stop()
	for {
		more, err := s.fill()
		if err != nil {
			return err
		}
		// With more to send the loop comes back at once, but not without
		// having listened.
		var again <-chan struct{}
		if more {
			again = closed()
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-s.link.Lost():
			return fmt.Errorf("connection lost: %w", s.link.Why())
		case m := <-s.link.Messages():
			if err := s.take(m); err != nil {
				return err
			}
		case <-look.C():
			look.Reset(lookEvery)
			if err := s.resend(); err != nil {
				return err
			}
		case <-s.u.o.Source.Changed():
		case <-again:
		}
	}
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// fill sends one Envelope of the first lane that has something to send and
// room for it, and reports whether it did.
func (s *session) fill() (bool, error) {
	for _, c := range s.lanes {
		if c.from >= c.to || !s.window.room(c.lane) {
			continue
		}
		p, next, err := s.send(c.lane, c.log, c.from, c.to)
		if err != nil {
			return false, err
		}
		c.from = next
		if p != nil {
			s.window.add(p)
			return true, nil
		}
	}
	return false, nil
}

// send leases and sends what waits at from; nil if nothing does.
func (s *session) send(lane envelope.Lane, log envelope.Log, from, to uint64) (*parcel, uint64, error) {
	size := samplesBytes
	if lane == envelope.LaneAlarm {
		size = alarmBytes
	}
	var e envelope.Envelope
	var wire []byte
	next := from
	for {
		var err error
		e, next, err = s.u.o.Source.Lease(log, from, to, size)
		if err != nil {
			return nil, from, fmt.Errorf("lease %s: %w", lane, err)
		}
		if len(e.Sequences) == 0 && len(e.Missing) == 0 {
			return nil, next, nil
		}
		e.Estate, e.Edge, e.Lane = s.u.o.Estate, s.u.o.Edge, lane
		wire, err = envelope.Encode(e)
		if err == nil {
			break
		}
		if !errors.Is(err, envelope.ErrTooLarge) || size < 1024 {
			return nil, from, err
		}
		size /= 2
	}
	s.link.Send(s.u.name.Up(string(lane)), wire)
	p := &parcel{lane: lane, log: log, from: from, to: next, epoch: e.Epoch, need: e.Sequences, bytes: len(wire), sent: s.u.o.Clock.Mono(), tries: 1}
	for _, g := range e.Missing {
		p.need = append(p.need, g.Range)
	}
	return p, next, nil
}

// take handles one message from the cloud. Receipts are handled here, so that
// nothing that the Downlink does delays them.
func (s *session) take(m mqttlink.Message) error {
	if m.Topic != s.u.name.Receipt() {
		select {
		case s.down <- m:
			return nil
		default:
			return errors.New("too much came down to be handled")
		}
	}
	r, err := envelope.DecodeReceipt(m.Payload)
	if err != nil {
		s.u.o.Log.Warn("receipt cannot be read", "err", err) // it settles nothing
		return nil
	}
	if r.Verdict == envelope.Rejected {
		s.u.o.Log.Error("the cloud rejects records", "log", r.Log, "sequences", r.Sequences, "reason", r.Reason)
	}
	if _, ok := s.window.settle(r); ok && r.CloudMS != 0 {
		skew := clock.NowMS(s.u.o.Clock) - r.CloudMS
		s.u.skewMS.Store(skew)
		s.u.o.Downlink.Skew(time.Duration(skew) * time.Millisecond)
	}
	if err := s.u.o.Source.Settle(r); err != nil {
		// Settled is settled: only space is not freed yet.
		s.u.o.Log.Error("settle records", "err", err)
	}
	return nil
}

// resend sends again what has no Receipt for too long.
func (s *session) resend() error {
	for _, p := range s.window.late(s.u.o.Clock.Mono() - s.u.o.Resend) {
		if p.tries >= mostTries {
			return fmt.Errorf("%s lane: %w", p.lane, errSilent)
		}
		s.window.drop(p)
		// What of it was settled meanwhile is left out, and what no longer
		// fits into one Envelope goes in several.
		for from := p.from; from < p.to; {
			again, next, err := s.send(p.lane, p.log, from, p.to)
			if err != nil {
				return err
			}
			if again == nil {
				break
			}
			again.tries = p.tries + 1
			s.window.add(again)
			from = next
		}
	}
	return nil
}

// descend hands one message to the Downlink.
func (s *session) descend(ctx context.Context, m mqttlink.Message) error {
	switch m.Topic {
	case s.u.name.Transition():
		ts, err := envelope.DecodeTransitions(m.Payload)
		if err != nil {
			s.u.o.Log.Warn("transitions cannot be read", "err", err)
			return nil
		}
		if err := s.u.o.Downlink.Transitions(ctx, ts); err != nil {
			return fmt.Errorf("keep transitions of the cloud: %w", err)
		}
	case s.u.name.Command():
		c, err := envelope.DecodeCommand(m.Payload)
		if err != nil {
			s.u.o.Log.Warn("command cannot be read", "err", err)
			return nil
		}
		s.u.o.Downlink.Command(ctx, c)
	}
	return nil
}
