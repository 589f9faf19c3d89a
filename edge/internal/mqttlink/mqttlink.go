// Package mqttlink is the one MQTT client of the edge: one connection, made
// the way that keeps paho honest. Clean session, no reconnecting, a memory of
// its own; so a publish that reports no error was acknowledged by the broker,
// and nothing of one connection leaks into the next. Reconnecting is the
// caller's, with a new Link each time.
//
// Messages that arrive are queued and never block the connection; when the
// queue is full the connection is given up, because what was lost then comes
// again only after a new hello. A message is acknowledged when its taker says
// so, not when it arrived.
//
// A connection that has become a black hole is noticed within 8 s. No call
// waits for ever: paho's tokens may, so they are only ever waited for with a
// limit.
package mqttlink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// Timing of a connection. A black hole is noticed within 8 s, by silence, and
// a line on which answers take up to 2.5 s is kept even idle. The broker in its turn
// hears from us every 5 s at least (paho looks at its watch every quarter of a
// keep-alive) and waits for 6: a second is left for a line that gets slower.
const (
	keepAlive      = 4 * time.Second
	pingTimeout    = 4 * time.Second
	writeTimeout   = 3 * time.Second
	connectTimeout = 5 * time.Second
	answerTimeout  = 10 * time.Second
	// unacked bounds how long the kernel keeps unacknowledged bytes.
	unacked = 8 * time.Second
	// farewellMS is how long the goodbye may take to leave.
	farewellMS = 250
)

// queued bounds the messages that wait to be handled.
const queued = 1024

// ErrNoAnswer: the broker did not answer in time.
var ErrNoAnswer = errors.New("the broker does not answer")

// Options of a connection. URL is tcp://, mqtt://, ssl://, tls:// or mqtts://.
type Options struct {
	URL                string
	ClientID           string
	Username, Password string
	// TLS is used for ssl, tls and mqtts; nil: the system's roots.
	TLS *tls.Config
	// WillTopic gets WillPayload, retained, when the connection breaks.
	WillTopic, WillPayload string
	// Dial may be nil: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	Log  *slog.Logger
}

// Message is something the broker sent.
type Message struct {
	Topic   string
	Payload []byte
	ack     func()
}

// Ack tells the broker that the message is dealt with. It may block for as long
// as a write may take and does nothing on a connection that is gone: what came
// by it and was not acknowledged, the sender sends again after a new hello.
func (m Message) Ack() { m.ack() }

// Link is one connection. Close is due once Open returned nil.
type Link struct {
	client   mqtt.Client
	messages chan Message
	lost     chan struct{}
	once     sync.Once

	mu sync.Mutex // guards conn and gone
	// conn is what paho talks through; gone: none may be made any more.
	conn net.Conn
	gone bool

	// why is written before lost is closed.
	why error
}

// Open connects and waits for the broker's answer.
func Open(ctx context.Context, o Options) (*Link, error) {
	u, err := url.Parse(o.URL)
	if err != nil {
		return nil, fmt.Errorf("uplink url: %w", err)
	}
	l := &Link{messages: make(chan Message, queued), lost: make(chan struct{})}
	p := mqtt.NewClientOptions().AddBroker(o.URL).SetClientID(o.ClientID).SetUsername(o.Username).SetPassword(o.Password).
		SetProtocolVersion(4).SetCleanSession(true).SetAutoReconnect(false).SetConnectRetry(false).SetOrderMatters(true).
		SetAutoAckDisabled(true).
		SetKeepAlive(keepAlive).SetPingTimeout(pingTimeout).SetWriteTimeout(writeTimeout).SetConnectTimeout(connectTimeout).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { l.lose(err) }).
		SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) { l.take(m) }).
		SetCustomOpenConnectionFn(func(*url.URL, mqtt.ClientOptions) (net.Conn, error) { return l.keep(connect(ctx, u, o)) })
	if o.WillTopic != "" {
		p.SetWill(o.WillTopic, o.WillPayload, 1, true)
	}
	l.client = mqtt.NewClient(p)
	if err := l.await(ctx, l.client.Connect()); err != nil {
		l.sever()
		return nil, fmt.Errorf("connect to %s: %w", u.Host, err)
	}
	return l, nil
}

func connect(ctx context.Context, u *url.URL, o Options) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	dial := o.Dial
	if dial == nil {
		dial = func(ctx context.Context, address string) (net.Conn, error) {
			return (&net.Dialer{Control: boundUnacked}).DialContext(ctx, "tcp", address)
		}
	}
	conn, err := dial(ctx, u.Host)
	if err != nil {
		return nil, err
	}
	conn = bounded{conn}
	if u.Scheme == "tcp" || u.Scheme == "mqtt" {
		return conn, nil
	}
	conf := o.TLS.Clone()
	if conf == nil {
		conf = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	if conf.ServerName == "" {
		conf.ServerName = u.Hostname()
	}
	secured := tls.Client(conn, conf)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("secure the connection: %w", err), conn.Close())
	}
	return secured, nil
}

// take queues a message; it runs on paho's goroutine and must not block.
func (l *Link) take(m mqtt.Message) {
	select {
	case l.messages <- Message{Topic: m.Topic(), Payload: m.Payload(), ack: m.Ack}:
	default:
		l.lose(errors.New("too many messages wait to be handled"))
	}
}

func (l *Link) lose(err error) {
	l.once.Do(func() {
		l.why = err
		close(l.lost)
	})
}

// Messages yields what arrives, in order.
func (l *Link) Messages() <-chan Message { return l.messages }

// Lost is closed when the connection broke; Why says how.
func (l *Link) Lost() <-chan struct{} { return l.lost }

// Why returns what broke the connection; it is valid once Lost is closed.
func (l *Link) Why() error { return l.why }

// Subscribe asks for topics and waits until all of them were granted.
func (l *Link) Subscribe(ctx context.Context, topics ...string) error {
	filters := map[string]byte{}
	for _, t := range topics {
		filters[t] = 1
	}
	tok := l.client.SubscribeMultiple(filters, nil)
	if err := l.await(ctx, tok); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if s, ok := tok.(*mqtt.SubscribeToken); ok {
		for t, code := range s.Result() {
			if code >= 0x80 {
				return fmt.Errorf("subscribe: the broker refuses %s", t)
			}
		}
	}
	return nil
}

// Publish sends one message at QoS 1 and waits for its PUBACK.
func (l *Link) Publish(ctx context.Context, topic string, payload []byte, retain bool) error {
	if err := l.await(ctx, l.client.Publish(topic, 1, retain, payload)); err != nil {
		return fmt.Errorf("publish to %s: %w", topic, err)
	}
	return nil
}

// Send sends one message at QoS 1 without waiting for its PUBACK, which says
// nothing about what became of it. It may block for as long as a write may
// take. What can't be sent breaks the connection.
func (l *Link) Send(topic string, payload []byte) {
	tok := l.client.Publish(topic, 1, false, payload)
	select {
	case <-tok.Done():
		if err := tok.Error(); err != nil {
			l.lose(fmt.Errorf("publish to %s: %w", topic, err))
		}
	default:
	}
}

// Close says goodbye, so that the will is not sent, and ends the connection.
func (l *Link) Close() {
	l.client.Disconnect(farewellMS)
	l.sever()
}

// Drop breaks the connection without a goodbye: the will is sent.
func (l *Link) Drop() {
	l.lose(errors.New("dropped"))
	l.sever()
}

// sever ends the connection below paho, which would say goodbye first and go on
// for as long as a write may take.
func (l *Link) sever() {
	l.mu.Lock()
	l.gone = true
	if l.conn != nil {
		_ = l.conn.Close() // it may be gone already
	}
	l.mu.Unlock()
	l.client.Disconnect(0)
}

// keep remembers the connection that paho is given.
func (l *Link) keep(conn net.Conn, err error) (net.Conn, error) {
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gone {
		return nil, errors.Join(net.ErrClosed, conn.Close())
	}
	l.conn = conn
	return conn, nil
}

// await waits for a token with a limit, since paho's own Wait may hang.
func (l *Link) await(ctx context.Context, t mqtt.Token) error {
	timer := time.NewTimer(answerTimeout)
	defer timer.Stop()
	select {
	case <-t.Done():
		return t.Error()
	case <-l.lost:
		return l.why
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return ErrNoAnswer
	}
}
