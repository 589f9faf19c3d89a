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
	"github.com/linshao/linshao/protocol/kit/chaos"
)

// lookEvery is how often Envelopes without a Receipt are looked for.
const lookEvery = time.Second

// welcomeWithin is how long the first Envelope waits for the cloud's answer to
// the hello, which says how wrong this edge's clock is. Older clouds give none.
const welcomeWithin = time.Second

// downQueue bounds what waits to be handled by the Downlink.
const downQueue = 256

// errSilent: the cloud takes Envelopes and gives no Receipts.
var errSilent = errors.New("no receipts come back")

// session sends over one connection. One goroutine owns it; a second one hands
// to the Downlink what came down.
type session struct {
	u    *Uplink
	link *mqttlink.Link
	// alarm always goes first; live and backfill share the rest.
	alarm, live, backfill *cursor
	share                 share
	window                window
	down                  chan mqttlink.Message
	// asked is when the hello was sent, monotonic; welcomed: it was answered.
	asked    time.Duration
	welcomed bool
	// answered: a Receipt has come. heard is when the newest did, monotonic, and
	// before the first when the session began.
	answered bool
	heard    time.Duration
}

func newSession(u *Uplink, link *mqttlink.Link, asked time.Duration) *session {
	alarm, _ := u.o.Source.Ends(envelope.Alarm)
	oldest, end := u.o.Source.Ends(envelope.Samples)
	u.liveFrom.Store(end)
	return &session{
		u: u, link: link, asked: asked, heard: u.o.Clock.Mono(), down: make(chan mqttlink.Message, downQueue), window: window{pace: newPace()},
		alarm:    &cursor{lane: envelope.LaneAlarm, log: envelope.Alarm, from: alarm, to: math.MaxInt64},
		live:     &cursor{lane: envelope.LaneLive, log: envelope.Samples, from: end, to: math.MaxInt64},
		backfill: &cursor{lane: envelope.LaneBackfill, log: envelope.Samples, from: oldest, to: end},
	}
}

// lanes are the cursors in the order in which they may send now.
func (s *session) lanes() [3]*cursor {
	if s.share.liveFirst() {
		return [3]*cursor{s.alarm, s.live, s.backfill}
	}
	return [3]*cursor{s.alarm, s.backfill, s.live}
}

// run sends until the connection breaks, or until some grace after ctx ended:
// what was recorded last, alarms above all, should not wait for the next start.
func (s *session) run(ctx context.Context) error {
	alive, kill := context.WithCancelCause(context.WithoutCancel(ctx))
	var downward sync.WaitGroup
	defer downward.Wait()
	defer kill(nil) // before the Wait: a Downlink that blocks must not hold up the next connection
	defer close(s.down)
	downward.Go(func() {
		for m := range s.down {
			if err := s.descend(alive, m); err != nil {
				kill(err)
				continue
			}
			m.Ack()
		}
	})
	look := s.u.o.Clock.NewTimer(lookEvery)
	defer look.Stop()
	patience := s.u.o.Clock.NewTimer(welcomeWithin)
	defer patience.Stop()
	leaving := ctx.Done()
	var left <-chan time.Time
	for {
		more := s.welcomed && s.fill()
		if leaving == nil && !more && len(s.window.parcels) == 0 && !s.waits() {
			return context.Cause(ctx)
		}
		// With more to send the loop comes back at once, but not without
		// having listened.
		var again <-chan struct{}
		if more {
			again = closed()
		}
		select {
		case <-leaving:
			grace := s.u.o.Clock.NewTimer(s.u.o.Grace)
			defer grace.Stop()
			left, leaving = grace.C(), nil
			s.backfill.to = s.backfill.from // that can wait
			s.window.dropBackfill()
		case <-left:
			return context.Cause(ctx)
		case <-patience.C():
			s.welcomed = true
		case <-alive.Done():
			return context.Cause(alive)
		case <-s.link.Lost():
			return fmt.Errorf("connection lost: %w", s.link.Why())
		case m := <-s.link.Messages():
			if err := s.take(m); err != nil {
				return err
			}
		case <-look.C():
			look.Reset(lookEvery)
			if err := s.look(); err != nil {
				return err
			}
		case <-s.u.o.Source.Changed():
		case <-again:
		}
	}
}

// waits reports whether something of the alarm or live lane has not been sent.
func (s *session) waits() bool {
	for _, c := range []*cursor{s.alarm, s.live} {
		if _, end := s.u.o.Source.Ends(c.log); c.from < end && !c.stuck {
			return true
		}
	}
	return false
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// fill sends one Envelope of the first lane that has something to send and
// room for it, and reports whether it did.
func (s *session) fill() bool {
	for _, c := range s.lanes() {
		if c.from >= c.to || c.stuck || !s.window.room(c.lane) {
			continue
		}
		p, next, err := s.send(c.lane, c.log, c.from, c.to)
		if err != nil {
			// One log that can't be read does not silence the other.
			s.u.o.Log.Error("cannot read what is to be sent", "lane", c.lane, "err", err)
			c.stuck = true
			continue
		}
		c.from = next
		if p == nil {
			continue
		}
		s.window.add(p)
		if c != s.alarm {
			s.share.sent(c == s.live, p.bytes)
		}
		return true
	}
	return false
}

// send leases and sends what waits at from; nil if nothing does.
func (s *session) send(lane envelope.Lane, log envelope.Log, from, to uint64) (*parcel, uint64, error) {
	size := alarmBytes
	if lane != envelope.LaneAlarm {
		size = s.window.pace.envelope()
	}
	e, wire, next, err := s.lease(log, lane, from, to, size)
	if err != nil || wire == nil {
		return nil, next, err
	}
	dieBefore(lane)
	s.link.Send(s.u.name.Up(string(lane)), wire)
	dieAfter(lane)
	p := &parcel{lane: lane, log: log, from: from, to: next, epoch: e.Epoch, need: e.Sequences, bytes: len(wire), sent: s.u.o.Clock.Mono(), tries: 1}
	for _, g := range e.Missing {
		p.need = append(p.need, g.Range)
	}
	if chaos.Broken(chaos.SettleOnPuback) {
		err = s.u.o.Source.Settle(envelope.Receipt{Epoch: e.Epoch, Log: log, Sequences: p.need, Verdict: envelope.Stored})
	}
	return p, next, err
}

// lease returns what waits at from as bytes, of about size before they are
// compressed; no bytes if nothing does.
func (s *session) lease(log envelope.Log, lane envelope.Lane, from, to uint64, size int) (e envelope.Envelope, wire []byte, next uint64, err error) {
	for {
		e, next, err = s.u.o.Source.Lease(log, from, to, size)
		if err != nil {
			return e, nil, from, fmt.Errorf("lease %s: %w", lane, err)
		}
		if len(e.Sequences) == 0 && len(e.Missing) == 0 {
			return e, nil, next, nil
		}
		e.Estate, e.Edge, e.Lane = s.u.o.Estate, s.u.o.Edge, lane
		wire, err = envelope.Encode(e)
		if err == nil {
			return e, wire, next, nil
		}
		if size > 1 { // find the one record that it is about
			if size /= 2; !errors.Is(err, envelope.ErrTooLarge) {
				size = 1
			}
			continue
		}
		if e.Samples == nil && e.Events == nil && e.Transitions == nil {
			return e, nil, from, err
		}
		// A record that can never be sent must not hold up those behind it,
		// nor take any beside it along: of size 1 it is alone.
		s.u.o.Log.Error("records cannot be sent and are reported as damaged", "log", log, "sequences", e.Sequences, "err", err)
		for _, r := range e.Sequences {
			e.Missing = append(e.Missing, envelope.Gap{Range: r, Reason: "damaged"})
		}
		e.Sequences, e.Record = nil, envelope.Record{Origin: e.Origin}
		if wire, err = envelope.Encode(e); err != nil {
			return e, nil, from, err
		}
		return e, wire, next, nil
	}
}

// take handles one message from the cloud. Receipts are handled here, so that
// nothing that the Downlink does delays them.
func (s *session) take(m mqttlink.Message) error {
	switch m.Topic {
	case s.u.name.Receipt():
		defer m.Ack()
		s.receipt(m.Payload)
		return nil
	case s.u.name.Welcome():
		defer m.Ack()
		return s.welcome(m.Payload)
	}
	select {
	case s.down <- m:
		return nil
	default:
		return errors.New("too much came down to be handled")
	}
}

// welcome ends the wait for the cloud's answer to the hello.
func (s *session) welcome(payload []byte) error {
	if err := s.u.welcomed(payload); err != nil {
		return err
	}
	if w, ok := s.u.Welcome(); ok && !s.welcomed && w.CloudMS != 0 {
		s.u.o.Downlink.Measured(s.asked, s.u.o.Clock.Mono(), w.CloudMS)
	}
	s.welcomed = true
	return nil
}

// receipt settles what it says.
func (s *session) receipt(payload []byte) {
	r, err := envelope.DecodeReceipt(payload)
	if err != nil {
		s.u.o.Log.Warn("receipt cannot be read", "err", err) // it settles nothing
		return
	}
	if r.Verdict == envelope.Rejected {
		s.u.o.Log.Error("the cloud rejects records", "log", r.Log, "sequences", r.Sequences, "reason", r.Reason)
	}
	now := s.u.o.Clock.Mono()
	s.answered, s.heard = true, now
	if sent, ok := s.window.settle(r, now); ok && r.CloudMS != 0 {
		s.u.o.Downlink.Measured(sent, now, r.CloudMS)
	}
	chaos.At("uplink.settle.before")
	if err := s.u.o.Source.Settle(r); err != nil {
		// Settled is settled: only space is not freed yet.
		s.u.o.Log.Error("settle records", "err", err)
	}
	chaos.At("uplink.settle.after")
}

// look sends again what has no Receipt for too long.
func (s *session) look() error {
	for _, c := range s.lanes() {
		c.stuck = false
	}
	now := s.u.o.Clock.Mono()
	for _, p := range s.window.late(now, s.u.o.Resend) {
		if p.tries == mostTries && now-s.heard >= mostTries*p.patience(s.u.o.Resend) {
			return fmt.Errorf("%s lane: %w", p.lane, errSilent)
		}
		s.window.drop(p)
		s.again(p)
	}
	return nil
}

// again sends once more what of p waits. What was settled meanwhile is left
// out, and what no longer fits into one Envelope goes in several. What can't be
// read stays in the window, for later.
func (s *session) again(p *parcel) {
	for from := p.from; from < p.to; {
		more, next, err := s.send(p.lane, p.log, from, p.to)
		if err != nil {
			s.u.o.Log.Error("cannot read what is to be sent again", "lane", p.lane, "err", err)
			p.from, p.sent = from, s.u.o.Clock.Mono()
			s.window.add(p)
			return
		}
		if more == nil {
			return
		}
		more.tries = p.tries + 1
		s.window.add(more)
		from = next
	}
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
		chaos.At("uplink.transitions.before")
		if err := s.u.o.Downlink.Transitions(ctx, ts); err != nil {
			return fmt.Errorf("keep transitions of the cloud: %w", err)
		}
		chaos.At("uplink.transitions.after")
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
