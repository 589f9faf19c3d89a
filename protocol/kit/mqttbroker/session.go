package mqttbroker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/linshao/linshao/protocol/kit/chaos"
)

// session is one authenticated connection.
type session struct {
	b    *Broker
	cl   *mqtt.Client
	conn *conn
	who  Identity
	// key is the client id scoped to the identity.
	key string
	// will is kept here and hidden from mochi, which would send it without
	// asking anyone. nil: none.
	will *Message
	// receiveMax is how many unacknowledged messages the client takes; 0: no
	// limit of its own.
	receiveMax int
	// superseded: another connection of the same client took its place.
	superseded atomic.Bool
	// ended is closed when nothing of the session is left.
	ended chan struct{}

	// slots has one entry per pending message.
	slots chan struct{}

	mu sync.Mutex
	// pending are the messages not yet acknowledged, in receive order;
	// guarded by mu.
	pending []*pending
	// refused: a message could not be made durable, so no later one may be
	// acknowledged either; guarded by mu.
	refused bool
}

// pending is a message with the Receiver.
type pending struct {
	id uint16 // packet id, 0 for QoS 0
	// settled: acknowledged, waiting for those before it.
	settled bool
}

// receive hands m over and returns once the Receiver took it. It blocks while
// too many messages of this session are pending.
func (s *session) receive(m Message, packetID uint16) {
	select {
	case s.slots <- struct{}{}:
	case <-s.conn.ctx.Done():
		return
	}
	p := &pending{id: packetID}
	s.mu.Lock()
	s.pending = append(s.pending, p)
	s.mu.Unlock()
	s.b.count.messages.Add(1)
	// What is needed to route is only kept for topics that are routed.
	if s.b.o.Treat(m.Topic) == Hand {
		s.b.o.Receiver.Publish(s.conn.ctx, m, func(err error) { s.settle(p, err) })
		return
	}
	s.b.o.Receiver.Publish(s.conn.ctx, m, func(err error) {
		if err == nil {
			s.b.route(m)
		}
		s.settle(p, err)
	})
}

// settle writes the PUBACKs that may now be written: [MQTT-4.6.0-2] wants them
// in the order of the PUBLISHes. It may be called from anywhere and never
// blocks, since conn.Write does not.
func (s *session) settle(p *pending, err error) {
	s.mu.Lock()
	if p.settled || s.refused {
		s.mu.Unlock()
		return
	}
	if err != nil {
		s.refused = true
		s.mu.Unlock()
		s.undurable(err)
		return
	}
	defer s.mu.Unlock()
	p.settled = true
	acks := make([]byte, 0, 64)
	for len(s.pending) > 0 && s.pending[0].settled {
		if id := s.pending[0].id; id != 0 {
			acks = append(acks, puback(id)...)
		}
		s.pending = s.pending[1:]
		<-s.slots
	}
	if len(acks) > 0 {
		chaos.At("broker.puback.before")
		_, _ = s.conn.Write(acks) // a closed connection sends again
		chaos.At("broker.puback.after")
	}
}

// puback without properties; the same bytes mean success in MQTT 3.1.1 and 5
// [MQTT5 3.4.2.1: reason code 0 may be left out].
func puback(id uint16) []byte { return []byte{0x40, 2, byte(id >> 8), byte(id)} }

func (s *session) undurable(err error) {
	s.b.count.undurable.Add(1)
	s.b.warn("MQTT client dropped: a message could not be stored", "identity", s.who, "err", err)
	s.disconnect(packets.ErrImplementationSpecificError)
}

// disconnect ends the session from our side, saying why where MQTT can. It does
// not wait.
func (s *session) disconnect(why packets.Code) {
	if s.cl.Properties.ProtocolVersion == 5 {
		_ = s.b.server.DisconnectClient(s.cl, why)
		return
	}
	s.cl.Stop(why)
}

// saidGoodbye: the client sent DISCONNECT without asking for its will.
func (s *session) saidGoodbye() bool {
	return errors.Is(s.cl.StopCause(), packets.CodeDisconnect)
}

// enter makes s the session of its client id. A former session of the same
// client is ended first, completely, so that its messages cannot follow ours.
func (b *Broker) enter(ctx context.Context, s *session) error {
	former, err := b.sessions.enter(ctx, s)
	if err != nil || former == nil {
		return err
	}
	former.superseded.Store(true)
	former.disconnect(packets.ErrSessionTakenOver)
	select {
	case <-former.ended:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("former session did not end: %w", context.Cause(ctx))
	}
}

// leave publishes the will if it is due and tells Presence.
func (b *Broker) leave(s *session) {
	quiet := b.stopping.Load() || s.superseded.Load()
	clean := s.saidGoodbye()
	var will func()
	if s.will != nil && !clean && !quiet {
		will = func() { b.publishWill(s) }
	}
	b.sessions.leave(s, clean, b.stopping.Load(), will)
}

func (b *Broker) publishWill(s *session) {
	m := *s.will
	b.count.messages.Add(1)
	b.o.Receiver.Publish(b.ctx, m, func(err error) {
		if err == nil {
			b.route(m)
		}
	})
}

// route gives m to its subscribers if its topic is one that is routed.
func (b *Broker) route(m Message) {
	t := b.o.Treat(m.Topic)
	if t == Hand {
		return
	}
	if err := b.Publish(m.Topic, m.Payload, m.QoS, m.Retain && t == RouteRetained); err != nil {
		b.count.undelivered.Add(1)
	}
}
