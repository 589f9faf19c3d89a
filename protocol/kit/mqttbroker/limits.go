package mqttbroker

import (
	"sync/atomic"
	"time"

	mqtt "github.com/mochi-mqtt/server/v2"

	"github.com/linshao/linshao/protocol/limit"
)

// Limits bound what peers can make the Broker hold or wait for.
type Limits struct {
	// PacketBytes bounds one MQTT packet; it is checked before allocating.
	PacketBytes uint32
	// Connections bounds all connections, PerAddress those of one IP address.
	Connections, PerAddress int
	// Strangers bounds connections that have not sent their CONNECT yet;
	// beyond it the oldest of them gives way, so that a flood of silent
	// sockets cannot lock honest clients out.
	Strangers int
	// ConnectWithin bounds the time until CONNECT, TLS handshake included.
	ConnectWithin time.Duration
	// WriteWithin bounds one write to a peer that does not read.
	WriteWithin time.Duration
	// QueuedBytes bounds what waits to be written to one peer.
	QueuedBytes int
	// Pending bounds a session's messages that the Receiver has not
	// acknowledged; beyond it the client is not read from.
	Pending uint16
	// KeepAliveMin and KeepAliveMax bound the keep-alive, in seconds.
	KeepAliveMin, KeepAliveMax uint16
}

// DeviceLimits suit devices on an estate's network.
func DeviceLimits() Limits {
	return Limits{
		PacketBytes: limit.MaxDevicePacketBytes,
		Connections: 4096, PerAddress: 1024, Strangers: 256,
		ConnectWithin: 5 * time.Second, WriteWithin: 5 * time.Second, QueuedBytes: 256 << 10,
		Pending: 64, KeepAliveMin: 5, KeepAliveMax: 60,
	}
}

// EdgeLimits suit edges that connect to a collector: few, trusted more, with
// large Envelopes, and with keep-alives short enough to notice a dead line.
func EdgeLimits() Limits {
	l := DeviceLimits()
	l.PacketBytes = limit.MaxEnvelopeBytes + 4096 // topic and properties
	l.Connections, l.PerAddress = 16384, 4096
	l.QueuedBytes = 4 << 20
	l.KeepAliveMin = 1
	return l
}

const (
	// maxConnectBytes bounds the CONNECT packet: what is allocated for someone
	// who proved nothing yet.
	maxConnectBytes = 8 << 10
	// maxClientIDBytes bounds the client id; MQTT asks for 23 at least.
	maxClientIDBytes = 256
	// maxFilters bounds the subscriptions of one session.
	maxFilters = 64
	// maxInflight bounds the messages a peer has not acknowledged.
	maxInflight = 1024
	// maxOutbound bounds the messages mochi queues for one peer.
	maxOutbound = 256
)

func (l Limits) capabilities() *mqtt.Capabilities {
	c := mqtt.NewDefaultServerCapabilities()
	c.MaximumClients = int64(l.Connections)
	c.MaximumMessageExpiryInterval = 0 // retained status must not vanish after a day
	c.MaximumClientWritesPending = maxOutbound
	c.MaximumSessionExpiryInterval = 0
	c.MaximumPacketSize = l.PacketBytes
	c.ReceiveMaximum = l.Pending
	c.MaximumInflight = maxInflight
	// mochi asks the ACL before it resolves a topic alias.
	c.TopicAliasMaximum = 0
	c.SharedSubAvailable = 0
	c.WildcardSubAvailable = 0
	c.MinimumProtocolVersion = 4
	c.MaximumQos = 1
	return c
}

// Stats are counts since the start, but for Sessions.
type Stats struct {
	// Sessions are open now.
	Sessions int
	// Messages were handed to the Receiver.
	Messages uint64
	// RefusedFull: connections over a limit. RefusedSilent: no CONNECT in
	// time, or not MQTT. RefusedLogin: wrong credentials. RefusedRules: a
	// CONNECT that breaks a rule, such as a will on a foreign topic.
	RefusedFull, RefusedSilent, RefusedLogin, RefusedRules uint64
	// Denied publishes and subscriptions.
	Denied uint64
	// Undurable: clients dropped because a message could not be stored.
	Undurable uint64
	// Undelivered: messages to clients that were dropped on the way.
	Undelivered uint64
	// Panics caught.
	Panics uint64
}

type counters struct {
	messages, full, silent, login, rules, denied, undurable, undelivered, panics atomic.Uint64
}

// Stats returns the present counts.
func (b *Broker) Stats() Stats {
	c := &b.count
	return Stats{
		Sessions: b.sessions.len(), Messages: c.messages.Load(),
		RefusedFull: c.full.Load(), RefusedSilent: c.silent.Load(),
		RefusedLogin: c.login.Load(), RefusedRules: c.rules.Load(),
		Denied: c.denied.Load(), Undurable: c.undurable.Load(),
		Undelivered: c.undelivered.Load() + uint64(atomic.LoadInt64(&b.server.Info.MessagesDropped)+atomic.LoadInt64(&b.server.Info.InflightDropped)),
		Panics:      c.panics.Load(),
	}
}
