package cell

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

// answerWithin bounds the wait for a PUBACK; a daemon that hangs is found by
// it.
const answerWithin = 5 * time.Second

// Message is one publication of a device.
type Message struct {
	Topic   string
	Payload []byte
	Acked   bool
	// Tried: it went out at least once, so it may be held.
	Tried bool
}

// Facts are what a message says.
func (m *Message) Facts() map[Fact]Value { return Said(m.Topic, m.Payload) }

// Journal is what devices said and which of it was acknowledged.
type Journal struct {
	mu       sync.Mutex // guards the following
	messages []*Message
	said     map[Fact]Value
}

// NewJournal returns an empty one.
func NewJournal() *Journal { return &Journal{said: map[Fact]Value{}} }

// Note adds a message that is about to be sent.
func (j *Journal) Note(m *Message) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.messages = append(j.messages, m)
	for f, v := range m.Facts() {
		j.said[f] = v
	}
}

// Said returns what was said, acknowledged or not.
func (j *Journal) Said(f Fact) (Value, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	v, ok := j.said[f]
	return v, ok
}

// Missing are the acknowledged Facts that a Ledger lacks, or has otherwise.
func (j *Journal) Missing(l *Ledger) (out []Fact) {
	for _, m := range j.Acked() {
		for f, v := range m.Facts() {
			if got, ok := l.Has(f); !ok || got != v {
				out = append(out, f)
			}
		}
	}
	return out
}

// Acked are the messages acknowledged so far.
func (j *Journal) Acked() (out []*Message) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, m := range j.messages {
		if m.Acked {
			out = append(out, m)
		}
	}
	return out
}

// Publish sends messages as one device over a fresh connection, all at once,
// and returns how many were acknowledged; each is marked. The error says why
// not all were: refused, cut off, or no answer in time (ErrHung).
func (j *Journal) Publish(addr, device, password string, messages ...*Message) (acked int, err error) {
	conn, err := net.DialTimeout("tcp", addr, answerWithin)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(answerWithin)); err != nil {
		return 0, err
	}
	if err := signIn(conn, device, password); err != nil {
		return 0, hung(err)
	}
	failed := make(chan error, 1)
	go func() {
		defer close(failed)
		failed <- j.send(conn, messages)
	}()
	for acked < len(messages) {
		p, err := packets.ReadPacket(conn)
		if err != nil {
			_ = conn.Close()
			for range failed {
				continue // it failed for the same reason
			}
			return acked, hung(err)
		}
		a, ok := p.(*packets.PubackPacket)
		if !ok || int(a.MessageID) > len(messages) {
			continue
		}
		j.mu.Lock()
		messages[a.MessageID-1].Acked = true
		j.mu.Unlock()
		acked++
	}
	return acked, <-failed
}

// ErrHung: the daemon took a message, or a connection, and never answered.
var ErrHung = errors.New("no answer")

func hung(err error) error {
	var n net.Error
	if errors.As(err, &n) && n.Timeout() {
		return fmt.Errorf("%w within %s", ErrHung, answerWithin)
	}
	return err
}

func signIn(conn net.Conn, device, password string) error {
	c := packets.NewControlPacket(packets.Connect).(*packets.ConnectPacket)
	c.ProtocolName, c.ProtocolVersion, c.CleanSession, c.Keepalive = "MQTT", 4, true, 60
	c.ClientIdentifier, c.Username, c.Password = device, device, []byte(password)
	c.UsernameFlag, c.PasswordFlag = true, true
	if err := c.Write(conn); err != nil {
		return err
	}
	p, err := packets.ReadPacket(conn)
	if err != nil {
		return err
	}
	if a, ok := p.(*packets.ConnackPacket); !ok || a.ReturnCode != packets.Accepted {
		return fmt.Errorf("sign-in refused: %v", p)
	}
	return nil
}

func (j *Journal) send(conn net.Conn, messages []*Message) error {
	for i, m := range messages {
		p := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
		p.Qos, p.TopicName, p.Payload, p.MessageID = 1, m.Topic, m.Payload, uint16(i+1) //nolint:gosec // batches are small
		j.mu.Lock()
		tried := m.Tried
		m.Tried = true
		j.mu.Unlock()
		if !tried {
			j.Note(m)
		}
		if err := p.Write(conn); err != nil {
			return err
		}
	}
	return nil
}
