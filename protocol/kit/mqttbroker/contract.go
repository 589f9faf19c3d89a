package mqttbroker

import (
	"context"
)

// Identity is who a client proved to be: a device's id, or estate/edge. It is
// not the MQTT client id, which a client chooses freely. It holds no spaces and
// no control characters.
type Identity string

// Credentials are what a client showed at CONNECT. The slices are only valid
// during the call.
type Credentials struct {
	User, Password []byte
	// CommonName is the subject of a client certificate that the listener's
	// TLS configuration verified; empty without one.
	CommonName string
	// Remote is the client's address, for messages.
	Remote string
}

// Authenticator says who someone is. It is called from many goroutines at once
// and may take its time (password hashes do), but must heed ctx. Any error
// refuses the connection; its text is logged, never sent.
type Authenticator interface {
	Authenticate(ctx context.Context, c Credentials) (Identity, error)
}

// Authorizer says what an Identity may do; whatever it does not allow is
// forbidden. It is asked for every message from many goroutines, so it must be
// quick and must not block. Topics have at most limit.MaxTopicLevels levels and
// never start with $.
type Authorizer interface {
	// MayPublish is also asked about the will, at CONNECT.
	MayPublish(id Identity, topic string) bool
	// MayRead is asked with a filter at SUBSCRIBE and with a topic at every
	// delivery. Filters hold wildcards only if Options.Wildcards allows them;
	// then all topics that match must be allowed for the answer yes.
	MayRead(id Identity, filter string) bool
}

// Message is something a client published.
type Message struct {
	From    Identity
	Topic   string
	Payload []byte // owned by the Receiver
	QoS     byte   // 0 or 1
	Retain  bool
	// Will: the client died and this was its last will. It is only given when
	// the Identity has no other session.
	Will bool
}

// Receiver takes every message.
type Receiver interface {
	// Publish takes over m. It is called in receive order for one session,
	// from many goroutines for many sessions, and may block: that holds back
	// this client only. When ctx ends the session is over and Publish must
	// return.
	//
	// ack is to be called exactly once, from any goroutine; it never blocks.
	// ack(nil) means that m is durable: the client gets its PUBACK, after
	// those of all earlier messages of its session, and topics that Options
	// routes go to their subscribers. ack(err) means that it cannot be made
	// durable: the client is dropped without a PUBACK, because MQTT 3.1.1
	// senders only send again after a reconnect.
	Publish(ctx context.Context, m Message, ack func(error))
}

// Presence is told when the first session of an Identity begins and when its
// last one ends. Calls for one Identity come in order; they must not block and
// must not call the Broker. clean is false if the client died without saying
// goodbye. Nothing is told while the Broker stops: that is not the clients' end.
type Presence interface {
	Changed(id Identity, online, clean bool)
}

// Treatment is what happens to a topic besides the hand-over to the Receiver.
type Treatment uint8

const (
	// Hand: the Receiver gets it, nobody else.
	Hand Treatment = iota
	// Route: it also goes to subscribers, once it was acknowledged.
	Route
	// RouteRetained: it may moreover be retained. On every other topic the
	// retain flag is dropped.
	RouteRetained
)
