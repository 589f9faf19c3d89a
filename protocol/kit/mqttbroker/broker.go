// Package mqttbroker is the MQTT broker both daemons embed: mochi behind a
// listener, a connection and one default-deny hook of our own.
//
// It guarantees:
//
//   - a PUBACK is written only after the Receiver said that the message is
//     durable, in receive order per client; what cannot be made durable drops
//     the client;
//   - a hostile or broken peer harms only itself: a panic in mochi ends one
//     connection, and everything that connection left behind is cleaned up;
//     sockets that never CONNECT are closed; nothing large is allocated for a
//     stranger; a peer that does not read is dropped and holds up nobody;
//   - nobody reads or writes a topic its Identity may not, by publish,
//     subscription, will, retained message or a taken-over session.
//
// It does not store anything: sessions end with their connection (SessionPresent
// is always 0), retained messages live in memory, and only on topics that
// Options names. QoS is 0 or 1; topic aliases and shared subscriptions are off.
//
// Two deviations from MQTT are deliberate. A session replaced by a new
// connection of the same client does not publish its will, nor does one whose
// Identity has another session: the client lives. And a client that asks for a
// keep-alive outside the limits is clamped (MQTT 5) or refused (3.1.1).
package mqttbroker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/packets"
	"golang.org/x/time/rate"
)

// Listen is one address to listen on; with TLS it speaks MQTT over TLS, and
// tls.Config.ClientAuth decides about client certificates.
type Listen struct {
	Address string
	TLS     *tls.Config
}

// Options make a Broker. Authenticator, Authorizer, Receiver, Log and Limits
// are needed.
type Options struct {
	Listen []Listen
	// Open makes the listeners; nil: TCP.
	Open          func(ctx context.Context, address string) (net.Listener, error)
	Authenticator Authenticator
	Authorizer    Authorizer
	Receiver      Receiver
	// Presence may be nil.
	Presence Presence
	// Treat says what to do with a topic; nil hands over everything. It must
	// be quick and pure.
	Treat func(topic string) Treatment
	// Wildcards allows + and # in subscriptions.
	Wildcards bool
	Limits    Limits
	Log       *slog.Logger
}

// Broker is an MQTT broker. It is a run.Service.
type Broker struct {
	o        Options
	log      *slog.Logger
	quiet    *rate.Limiter // of warnings that peers can provoke
	server   *mqtt.Server
	sessions sessions
	gate     gate
	count    counters

	listeners []net.Listener
	// ctx ends when the Broker stops; every connection's context is a child.
	ctx      context.Context
	cancel   context.CancelFunc
	stopping atomic.Bool
	// wg counts accept loops and connections.
	wg sync.WaitGroup
}

// New returns a Broker that does not listen yet.
func New(o Options) (*Broker, error) {
	if o.Authenticator == nil || o.Authorizer == nil || o.Receiver == nil || o.Log == nil {
		return nil, errors.New("broker needs an Authenticator, an Authorizer, a Receiver and a Logger")
	}
	if o.Limits.Connections == 0 {
		return nil, errors.New("broker needs Limits: start from DeviceLimits or EdgeLimits")
	}
	if o.Treat == nil {
		o.Treat = func(string) Treatment { return Hand }
	}
	if o.Open == nil {
		o.Open = func(ctx context.Context, address string) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		}
	}
	b := &Broker{
		o: o, log: o.Log, quiet: rate.NewLimiter(1, 10),
		server: mqtt.New(&mqtt.Options{
			Capabilities: o.Limits.capabilities(),
			// mochi logs whole packets, passwords included, as fast as
			// peers provoke it; this package logs what matters instead.
			Logger:       slog.New(slog.DiscardHandler),
			InlineClient: true,
			// Its $SYS figures stop the world to read memory statistics;
			// nobody may read them anyway. In seconds: ten years.
			SysTopicResendInterval: 10 * 365 * 24 * 3600,
		}),
		sessions: newSessions(o.Presence),
		gate:     newGate(o.Limits),
	}
	if err := b.server.AddHook(&hook{b: b}, nil); err != nil {
		return nil, fmt.Errorf("add hook: %w", err)
	}
	return b, nil
}

// Start listens; when it returns, clients can connect. ctx gives values only:
// the Broker runs until Stop.
func (b *Broker) Start(ctx context.Context) error {
	b.ctx, b.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, l := range b.o.Listen {
		ln, err := b.o.Open(ctx, l.Address)
		if err != nil {
			b.closeListeners()
			b.cancel()
			return fmt.Errorf("listen for MQTT: %w", err)
		}
		b.listeners = append(b.listeners, ln)
	}
	if err := b.server.Serve(); err != nil {
		b.closeListeners()
		b.cancel()
		return fmt.Errorf("start broker: %w", err)
	}
	for i, ln := range b.listeners {
		b.wg.Go(func() { b.accept(ln, b.o.Listen[i].TLS) })
		b.log.Info("listening for MQTT", "address", ln.Addr().String(), "tls", b.o.Listen[i].TLS != nil)
	}
	return nil
}

// Addr is where the i-th Listen really listens, once started.
func (b *Broker) Addr(i int) net.Addr { return b.listeners[i].Addr() }

// Stop disconnects everyone, sends no wills, and returns when every goroutine
// of a connection is gone, or when ctx ends.
func (b *Broker) Stop(ctx context.Context) error {
	if b.stopping.Swap(true) {
		return nil
	}
	b.closeListeners()
	for _, s := range b.sessions.all() {
		s.disconnect(packets.ErrServerShuttingDown)
	}
	b.gate.closeAll()
	b.cancel()
	gone := make(chan struct{})
	go func() {
		b.wg.Wait()
		close(gone)
	}()
	select {
	case <-gone:
		return b.server.Close()
	case <-ctx.Done():
		return fmt.Errorf("connections still open: %w", context.Cause(ctx))
	}
}

func (b *Broker) closeListeners() {
	for _, ln := range b.listeners {
		_ = ln.Close()
	}
}

// Publish sends payload to those who subscribed to topic. It does not wait for
// them: delivery is best effort, so what travels this way carries its own
// expiry and receipt. retain is refused unless Treat says RouteRetained.
func (b *Broker) Publish(topic string, payload []byte, qos byte, retain bool) error {
	if !nameAllowed(topic, false) {
		return fmt.Errorf("publish to %q: not a topic name", topic)
	}
	if retain && b.o.Treat(topic) != RouteRetained {
		return fmt.Errorf("publish to %q: this topic is never retained", topic)
	}
	if err := b.server.Publish(topic, payload, retain, min(qos, 1)); err != nil {
		return fmt.Errorf("publish to %q: %w", topic, err)
	}
	return nil
}

// Subscribed reports whether anyone would get a message on topic now.
func (b *Broker) Subscribed(topic string) bool {
	return len(b.server.Topics.Subscribers(topic).Subscriptions) > 0
}

// Disconnect ends all sessions of id, for example because its credentials were
// revoked, and returns how many there were.
func (b *Broker) Disconnect(id Identity) int {
	n := 0
	for _, s := range b.sessions.all() {
		if s.who == id {
			s.disconnect(packets.ErrNotAuthorized)
			n++
		}
	}
	return n
}

// warn logs what a peer provoked, at most ten at once and one a second.
func (b *Broker) warn(msg string, args ...any) {
	if b.quiet.Allow() {
		b.log.Warn(msg, args...)
	}
}
