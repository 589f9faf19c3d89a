package mqttbroker

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait for something that must happen; nothing is
// concluded from how long it took.
const patience = 20 * time.Second

// estate plays all the Broker's partners: it knows users by password, lets each
// use devices/{user}/…, and keeps what it receives.
type estate struct {
	b        *Broker
	messages chan received
	presence chan presence
}

type received struct {
	Message
	ctx context.Context
	ack func(error)
}

type presence struct {
	id            Identity
	online, clean bool
}

func (e *estate) Authenticate(_ context.Context, c Credentials) (Identity, error) {
	if c.CommonName != "" {
		return Identity(c.CommonName), nil
	}
	if string(c.Password) != "pw-"+string(c.User) {
		return "", errors.New("wrong password")
	}
	return Identity(c.User), nil
}

func (e *estate) MayPublish(id Identity, topic string) bool {
	return strings.HasPrefix(topic, "devices/"+string(id)+"/") && topic != "devices/"+string(id)+"/commands"
}

func (e *estate) MayRead(id Identity, filter string) bool {
	return strings.HasPrefix(filter, "devices/"+string(id)+"/") || id == "watch" && strings.HasSuffix(filter, "/status")
}

func (e *estate) Publish(ctx context.Context, m Message, ack func(error)) {
	select {
	case e.messages <- received{m, ctx, ack}:
	case <-ctx.Done():
	}
}

func (e *estate) Changed(id Identity, online, clean bool) {
	e.presence <- presence{id, online, clean}
}

func treat(topic string) Treatment {
	switch {
	case strings.HasSuffix(topic, "/status"):
		return RouteRetained
	case strings.HasSuffix(topic, "/commands"):
		return Route
	}
	return Hand
}

func start(t *testing.T, change func(*Options)) *estate {
	t.Helper()
	e := &estate{messages: make(chan received, 1024), presence: make(chan presence, 4096)}
	o := Options{
		Listen:        []Listen{{Address: "127.0.0.1:0"}},
		Authenticator: e, Authorizer: e, Receiver: e, Presence: e, Treat: treat,
		Limits: DeviceLimits(), Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&o)
	}
	var err error
	if e.b, err = New(o); err != nil {
		t.Fatal(err)
	}
	if err := e.b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.b.Stop(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return e
}

// next waits for a message.
func (e *estate) next(t *testing.T) received {
	t.Helper()
	return await(t, e.messages)
}

func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("waited in vain")
		panic("unreachable")
	}
}

// peer is a client that sends and reads packets one by one.
type peer struct {
	t *testing.T
	net.Conn
	r       *bufio.Reader
	version byte
}

func (e *estate) dial(t *testing.T) *peer {
	t.Helper()
	c, err := net.Dial("tcp", e.b.Addr(0).String())
	if err != nil {
		t.Fatal(err)
	}
	return newPeer(t, c)
}

func newPeer(t *testing.T, c net.Conn) *peer {
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(patience))
	return &peer{t: t, Conn: c, r: bufio.NewReader(c), version: 4}
}

// connect logs user in and expects to be accepted.
func (e *estate) connect(t *testing.T, user string, change func(*packets.Packet)) *peer {
	t.Helper()
	p := e.dial(t)
	if ack := p.login(user, change); ack.ReasonCode != 0 || ack.SessionPresent {
		t.Fatalf("%s: CONNACK %d, session present %v", user, ack.ReasonCode, ack.SessionPresent)
	}
	return p
}

func v5(pk *packets.Packet) { pk.ProtocolVersion = 5 }

func (p *peer) login(user string, change func(*packets.Packet)) packets.Packet {
	p.t.Helper()
	p.send(p.connectBytes(user, change))
	return p.want(packets.Connack)
}

func (p *peer) connectBytes(user string, change func(*packets.Packet)) []byte {
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: 4,
		Connect: packets.ConnectParams{
			ProtocolName: []byte("MQTT"), Clean: true, Keepalive: 30, ClientIdentifier: user,
			UsernameFlag: true, Username: []byte(user), PasswordFlag: true, Password: []byte("pw-" + user),
		},
	}
	if change != nil {
		change(&pk)
	}
	p.version = pk.ProtocolVersion
	var b bytes.Buffer
	must(p.t, pk.ConnectEncode(&b))
	return b.Bytes()
}

func (p *peer) send(b []byte) {
	p.t.Helper()
	if _, err := p.Write(b); err != nil {
		p.t.Fatal(err)
	}
}

// publish sends a PUBLISH with QoS 1, or 0 if id is 0.
func (p *peer) publish(topic, payload string, id uint16) {
	p.t.Helper()
	p.send(p.publishBytes(topic, payload, id, false))
}

func (p *peer) publishBytes(topic, payload string, id uint16, retain bool) []byte {
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish, Retain: retain}, ProtocolVersion: p.version,
		TopicName: topic, Payload: []byte(payload), PacketID: id,
	}
	if id != 0 {
		pk.FixedHeader.Qos = 1
	}
	var b bytes.Buffer
	must(p.t, pk.PublishEncode(&b))
	return b.Bytes()
}

// subscribe returns the reason code.
func (p *peer) subscribe(filter string) byte {
	p.t.Helper()
	pk := packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, ProtocolVersion: p.version,
		PacketID: 77, Filters: packets.Subscriptions{{Filter: filter, Qos: 1}},
	}
	var b bytes.Buffer
	must(p.t, pk.SubscribeEncode(&b))
	p.send(b.Bytes())
	return p.want(packets.Suback).ReasonCodes[0]
}

// ping returns after the broker has answered everything sent before, so that
// what was not received by then was not sent.
func (p *peer) ping() {
	p.t.Helper()
	p.send([]byte{0xc0, 0})
	p.want(packets.Pingresp)
}

func (p *peer) read() (packets.Packet, error) {
	var pk packets.Packet
	first, err := p.r.ReadByte()
	if err != nil {
		return pk, err
	}
	if err := pk.FixedHeader.Decode(first); err != nil {
		return pk, err
	}
	n, _, err := packets.DecodeLength(p.r)
	if err != nil {
		return pk, err
	}
	pk.FixedHeader.Remaining, pk.ProtocolVersion = n, p.version
	body := make([]byte, n)
	if _, err := io.ReadFull(p.r, body); err != nil {
		return pk, err
	}
	switch pk.FixedHeader.Type {
	case packets.Connack:
		err = pk.ConnackDecode(body)
	case packets.Publish:
		err = pk.PublishDecode(body)
	case packets.Puback:
		err = pk.PubackDecode(body)
	case packets.Suback:
		err = pk.SubackDecode(body)
	case packets.Disconnect:
		err = pk.DisconnectDecode(body)
	}
	return pk, err
}

// want reads one packet of the given type.
func (p *peer) want(kind byte) packets.Packet {
	p.t.Helper()
	pk, err := p.read()
	if err != nil {
		p.t.Fatalf("want packet type %d: %v", kind, err)
	}
	if pk.FixedHeader.Type != kind {
		p.t.Fatalf("want packet type %d, got %d: %+v", kind, pk.FixedHeader.Type, pk)
	}
	return pk
}

// wantClosed reads until the broker closes, and returns the packets before.
func (p *peer) wantClosed() []packets.Packet {
	p.t.Helper()
	var before []packets.Packet
	for {
		pk, err := p.read()
		if err != nil {
			var timeout net.Error
			if errors.As(err, &timeout) && timeout.Timeout() {
				p.t.Fatal("the connection is still open")
			}
			return before
		}
		before = append(before, pk)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for a count that another goroutine is about to change.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !ok(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("never happened: " + what)
		}
	}
}

func dialTLS(t *testing.T, e *estate, conf *tls.Config) (*peer, error) {
	t.Helper()
	c, err := tls.Dial("tcp", e.b.Addr(0).String(), conf)
	if err != nil {
		return nil, err
	}
	return newPeer(t, c), nil
}

// parallel runs f n times at once.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
