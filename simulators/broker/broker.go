// Package broker is a small scripted MQTT 3.1.1 broker for tests: it can
// withhold a PUBACK, answer one and drop the connection, or refuse a client,
// which no well-behaved broker does on request. It routes to exact topics
// only, keeps nothing, sends wills, and is no broker for anything but tests.
package broker

import (
	"errors"
	"net"
	"slices"
	"sync"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Verdict says what happens to one PUBLISH.
type Verdict int

// The verdicts.
const (
	Ack     Verdict = iota // PUBACK, then deliver
	Swallow                // no PUBACK, no delivery, the connection stays
	Drop                   // no PUBACK, the connection is cut
	AckDrop                // PUBACK, delivery, then the connection is cut
)

// Message is one publication as the broker saw it.
type Message struct {
	User, Topic string
	Payload     []byte
	Retained    bool
	Dup         bool
	// Will marks the last will of a client whose connection broke.
	Will bool
}

// Script decides; nil functions accept everything. Functions are called from
// the connections' goroutines and must not block.
type Script struct {
	Connect func(user, password string) bool
	Publish func(Message) Verdict
}

// Broker listens until Close.
type Broker struct {
	script Script
	ln     net.Listener
	wg     sync.WaitGroup

	mu      sync.Mutex // guards all below
	clients map[*client]struct{}
	closed  bool
}

type client struct {
	conn net.Conn
	user string
	will *Message

	wmu  sync.Mutex      // one writer at a time
	subs map[string]bool // guarded by Broker.mu
}

// Listen starts a broker on addr, such as 127.0.0.1:0.
func Listen(addr string, s Script) (*Broker, error) {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	b := &Broker{script: s, ln: ln, clients: map[*client]struct{}{}}
	b.wg.Go(b.accept)
	return b, nil
}

// URL is where clients connect.
func (b *Broker) URL() string { return "tcp://" + b.ln.Addr().String() }

// Close cuts every connection and waits until all goroutines are gone.
func (b *Broker) Close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	_ = b.ln.Close()
	b.CutAll()
	b.wg.Wait()
}

// CutAll cuts every connection without a word.
func (b *Broker) CutAll() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c := range b.clients {
		_ = c.conn.Close()
	}
}

// Send delivers a message of the broker's own to the topic's subscribers, QoS 0.
func (b *Broker) Send(topic string, payload []byte) { b.route(topic, payload) }

func (b *Broker) accept() {
	for {
		conn, err := b.ln.Accept()
		if err != nil {
			return
		}
		c := &client{conn: conn, subs: map[string]bool{}}
		b.mu.Lock()
		if b.closed {
			b.mu.Unlock()
			_ = conn.Close()
			continue
		}
		b.clients[c] = struct{}{}
		b.wg.Go(func() { b.serve(c) })
		b.mu.Unlock()
	}
}

var errGoodbye = errors.New("client said goodbye")

func (b *Broker) serve(c *client) {
	err := b.read(c)
	b.mu.Lock()
	delete(b.clients, c)
	b.mu.Unlock()
	_ = c.conn.Close()
	if c.will != nil && !errors.Is(err, errGoodbye) {
		b.judge(*c.will)
		b.route(c.will.Topic, c.will.Payload)
	}
}

func (b *Broker) read(c *client) error {
	for {
		p, err := packets.ReadPacket(c.conn)
		if err != nil {
			return err
		}
		if err := b.answer(c, p); err != nil {
			return err
		}
	}
}

func (b *Broker) answer(c *client, p packets.ControlPacket) error {
	switch p := p.(type) {
	case *packets.ConnectPacket:
		return b.connect(c, p)
	case *packets.SubscribePacket:
		b.mu.Lock()
		for _, t := range p.Topics {
			c.subs[t] = true
		}
		b.mu.Unlock()
		ack := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
		ack.MessageID, ack.ReturnCodes = p.MessageID, slices.Clone(p.Qoss)
		return c.write(ack)
	case *packets.PublishPacket:
		return b.publish(c, p)
	case *packets.PingreqPacket:
		return c.write(packets.NewControlPacket(packets.Pingresp))
	case *packets.DisconnectPacket:
		return errGoodbye
	}
	return nil
}

func (b *Broker) connect(c *client, p *packets.ConnectPacket) error {
	c.user = p.Username
	ack := packets.NewControlPacket(packets.Connack).(*packets.ConnackPacket)
	if b.script.Connect != nil && !b.script.Connect(p.Username, string(p.Password)) {
		ack.ReturnCode = packets.ErrRefusedBadUsernameOrPassword
		_ = c.write(ack)
		return errGoodbye
	}
	if p.WillFlag {
		c.will = &Message{User: c.user, Topic: p.WillTopic, Payload: p.WillMessage, Retained: p.WillRetain, Will: true}
	}
	return c.write(ack)
}

func (b *Broker) publish(c *client, p *packets.PublishPacket) error {
	v := b.judge(Message{User: c.user, Topic: p.TopicName, Payload: p.Payload, Retained: p.Retain, Dup: p.Dup})
	switch v {
	case Swallow:
		return nil
	case Drop:
		return errors.New("dropped by script")
	}
	b.route(p.TopicName, p.Payload)
	if p.Qos > 0 {
		ack := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
		ack.MessageID = p.MessageID
		if err := c.write(ack); err != nil {
			return err
		}
	}
	if v == AckDrop {
		return errors.New("dropped by script after the answer")
	}
	return nil
}

func (b *Broker) judge(m Message) Verdict {
	if b.script.Publish == nil {
		return Ack
	}
	return b.script.Publish(m)
}

func (b *Broker) route(topic string, payload []byte) {
	b.mu.Lock()
	var to []*client
	for c := range b.clients {
		if c.subs[topic] {
			to = append(to, c)
		}
	}
	b.mu.Unlock()
	for _, c := range to {
		p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.TopicName, p.Payload = topic, payload
		_ = c.write(p) // a broken connection shows in its reader
	}
}

func (c *client) write(p packets.ControlPacket) error {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	return p.Write(c.conn)
}
