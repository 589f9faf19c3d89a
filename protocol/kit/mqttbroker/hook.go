package mqttbroker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
)

// hook is the only one the server has: mochi ORs the answers of several, so any
// other could allow what this one forbids.
type hook struct {
	mqtt.HookBase
	b *Broker
	// serial makes every client id inside mochi unique: see OnConnect.
	serial atomic.Uint64
}

// ID implements mqtt.Hook.
func (h *hook) ID() string { return listenerID }

// Provides implements mqtt.Hook.
func (h *hook) Provides(b byte) bool {
	switch b {
	case mqtt.OnConnect, mqtt.OnConnectAuthenticate, mqtt.OnACLCheck, mqtt.OnPacketRead, mqtt.OnPublish:
		return true
	}
	return false
}

// OnConnect decides everything about a connection, before mochi has done
// anything with it. The client id inside mochi becomes unique to the
// connection, so that mochi never takes over a session: its take-over hands
// in-flight messages and subscriptions to whoever names the same id, and lets
// the old connection's end remove the new one's traces. Replacing a client's
// former connection is done by sessions, within one Identity.
func (h *hook) OnConnect(cl *mqtt.Client, pk packets.Packet) error {
	c := cl.Net.Conn.(*conn)
	if code, why := h.rules(cl, pk); why != nil {
		h.b.count.rules.Add(1)
		return h.refuse(cl, code, why)
	}
	ctx, cancel := context.WithTimeout(c.ctx, h.b.o.Limits.ConnectWithin)
	defer cancel()
	who, err := h.authenticate(ctx, c, pk)
	if err != nil {
		h.b.count.login.Add(1)
		return h.refuse(cl, packets.ErrBadUsernameOrPassword, err)
	}
	s := h.session(cl, c, who)
	if s.will != nil && !h.willAllowed(s) {
		h.b.count.rules.Add(1)
		return h.refuse(cl, packets.ErrNotAuthorized, fmt.Errorf("will on %q is not allowed for %s", s.will.Topic, who))
	}
	h.b.gate.known(c)
	c.session = s // from here on, end cleans up
	if err := h.b.enter(ctx, s); err != nil {
		return h.refuse(cl, packets.ErrServerBusy, err)
	}
	return nil
}

// rules checks what needs no identity.
func (h *hook) rules(cl *mqtt.Client, pk packets.Packet) (packets.Code, error) {
	l := h.b.o.Limits
	asked := pk.Connect.Keepalive
	keep := min(max(asked, l.KeepAliveMin), l.KeepAliveMax)
	if asked == 0 {
		keep = l.KeepAliveMax
	}
	switch {
	case string(pk.Connect.ProtocolName) != "MQTT":
		return packets.ErrUnsupportedProtocolVersion, fmt.Errorf("protocol %q", pk.Connect.ProtocolName)
	case cl.Properties.Props.AuthenticationMethod != "":
		return packets.ErrBadAuthenticationMethod, errors.New("enhanced authentication is not offered")
	case len(pk.Connect.ClientIdentifier) > maxClientIDBytes || !wellFormed(pk.Connect.ClientIdentifier):
		return packets.ErrClientIdentifierNotValid, errors.New("client id is too long or not text")
	case !wellFormed(string(pk.Connect.Username)):
		return packets.ErrBadUsernameOrPassword, errors.New("user name is not text")
	case pk.Connect.WillFlag && pk.Connect.WillQos > 1:
		return packets.ErrQosNotSupported, errors.New("will with QoS above 1")
	case keep != asked && cl.Properties.ProtocolVersion < 5:
		return packets.ErrServerUnavailable, fmt.Errorf("keep-alive of %d s: set %d to %d", asked, l.KeepAliveMin, l.KeepAliveMax)
	case keep != asked:
		cl.State.Keepalive, cl.State.ServerKeepalive = keep, true
	}
	return packets.CodeSuccess, nil
}

func (h *hook) authenticate(ctx context.Context, c *conn, pk packets.Packet) (Identity, error) {
	who, err := h.b.o.Authenticator.Authenticate(ctx, Credentials{
		User: pk.Connect.Username, Password: pk.Connect.Password,
		CommonName: c.commonName, Remote: c.RemoteAddr().String(),
	})
	if err == nil && !validIdentity(who) {
		err = fmt.Errorf("%q cannot be an identity", who)
	}
	return who, err
}

func (h *hook) session(cl *mqtt.Client, c *conn, who Identity) *session {
	s := &session{
		b: h.b, cl: cl, conn: c, who: who, key: string(who) + " " + cl.ID,
		receiveMax: int(cl.Properties.Props.ReceiveMaximum),
		ended:      make(chan struct{}), slots: make(chan struct{}, h.b.o.Limits.Pending),
	}
	if w := cl.Properties.Will; w.Flag != 0 {
		s.will = &Message{From: who, Topic: w.TopicName, Payload: w.Payload, QoS: w.Qos, Retain: w.Retain, Will: true}
	}
	cl.Properties.Will = mqtt.Will{}
	cl.Properties.Clean = true
	cl.ID = s.key + " " + strconv.FormatUint(h.serial.Add(1), 10)
	// With a send quota mochi calls Inflight.NextImmediate, which takes a read
	// lock twice and so deadlocks against whoever publishes to this client at
	// that moment. OnACLCheck keeps to the client's receive maximum instead.
	cl.State.Inflight.ResetSendQuota(0)
	return s
}

// willAllowed asks what a publish would be asked.
func (h *hook) willAllowed(s *session) bool {
	return nameAllowed(s.will.Topic, false) && h.b.o.Authorizer.MayPublish(s.who, s.will.Topic)
}

// refuse answers CONNECT; returning the error makes mochi close the connection.
func (h *hook) refuse(cl *mqtt.Client, code packets.Code, why error) error {
	h.b.warn("MQTT connection refused", "remote", cl.Net.Remote, "client", cl.ID, "err", why)
	if cl.Properties.ProtocolVersion < 5 {
		// mochi's own table lacks codes, and would send those as they are.
		if _, ok := packets.V5CodesToV3[code]; !ok {
			code = packets.ErrBadUsernameOrPassword
		}
	}
	_ = h.b.server.SendConnack(cl, code, false, nil)
	return why
}

// OnConnectAuthenticate implements mqtt.Hook: OnConnect has decided.
func (h *hook) OnConnectAuthenticate(cl *mqtt.Client, _ packets.Packet) bool {
	return sessionOf(cl) != nil
}

// sessionOf is nil for mochi's inline client and before OnConnect.
func sessionOf(cl *mqtt.Client) *session {
	if c, ok := cl.Net.Conn.(*conn); ok {
		return c.session
	}
	return nil
}

// OnACLCheck implements mqtt.Hook: publishing (topic), subscribing (filter) and
// delivery (topic).
func (h *hook) OnACLCheck(cl *mqtt.Client, topic string, write bool) bool {
	s := sessionOf(cl)
	if s == nil {
		return false
	}
	var ok bool
	if write {
		ok = nameAllowed(topic, false) && h.b.o.Authorizer.MayPublish(s.who, topic)
	} else {
		ok = nameAllowed(topic, h.b.o.Wildcards) && h.b.o.Authorizer.MayRead(s.who, topic)
		if ok && s.receiveMax > 0 && cl.State.Inflight.Len() >= s.receiveMax {
			h.b.count.undelivered.Add(1)
			return false
		}
	}
	if !ok {
		h.b.count.denied.Add(1)
		h.b.warn("MQTT topic denied", "identity", s.who, "topic", topic, "write", write)
	}
	return ok
}

// OnPacketRead implements mqtt.Hook: packets that mochi would mistreat end the
// connection here. mochi takes QoS 2 for QoS 1 without telling a 3.1.1 client.
func (h *hook) OnPacketRead(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	s := sessionOf(cl)
	if s == nil {
		return pk, nil // the CONNECT itself
	}
	switch {
	case pk.FixedHeader.Type == packets.Publish && pk.FixedHeader.Qos > 1:
		s.disconnect(packets.ErrQosNotSupported)
	case pk.FixedHeader.Type == packets.Subscribe && len(pk.Filters)+cl.State.Subscriptions.Len() > maxFilters:
		s.disconnect(packets.ErrQuotaExceeded)
	default:
		return pk, nil
	}
	h.b.count.denied.Add(1)
	return pk, packets.ErrRejectPacket
}

// OnPublish implements mqtt.Hook. ErrRejectPacket makes mochi neither answer
// nor route; both happen when the Receiver acknowledges.
func (h *hook) OnPublish(cl *mqtt.Client, pk packets.Packet) (packets.Packet, error) {
	s := sessionOf(cl)
	if s == nil {
		return pk, nil // Broker.Publish
	}
	s.receive(Message{
		From: s.who, Topic: pk.TopicName, Payload: pk.Payload, QoS: pk.FixedHeader.Qos, Retain: pk.FixedHeader.Retain,
	}, pk.PacketID)
	return pk, packets.ErrRejectPacket
}
