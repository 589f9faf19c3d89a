package cell

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/simulators/e2e/chaos/powercut"
)

// never is a position that no trace reaches.
const never = math.MaxInt

// Recording is what a trace shows of what an edge was told, acknowledged and
// sent, by position. No clock is compared: the calls tell their order.
type Recording struct {
	Told []Told
	Sent []Sent
	said map[Fact]Value
	// settled is where a Fact, and raised where the Raise of a device's rule,
	// first had a Receipt.
	settled  map[Fact]int
	raised   map[[2]string]int
	receipts []receipt
	// sent are the Envelopes by what they cover.
	sent map[string]envelope.Envelope
}

// receipt is one Receipt, at the position where the edge had read it.
type receipt struct {
	at int
	envelope.Receipt
}

// Told is one message of a device that was acknowledged.
type Told struct {
	// AckAt is where the write of the PUBACK began: at any later position the
	// device may know. SettledAt is where everything in it had a Receipt.
	AckAt, SettledAt int
	Facts            map[Fact]Value
}

// Sent is one Envelope that the edge sent.
type Sent struct {
	At       int
	Envelope envelope.Envelope
}

// Recorded reads the sockets of a trace. mqtt is the port for devices, cloud
// that of the collector.
func Recorded(t *powercut.Trace, mqtt, cloud int) (*Recording, error) {
	r := &Recording{
		said: map[Fact]Value{}, settled: map[Fact]int{}, raised: map[[2]string]int{}, sent: map[string]envelope.Envelope{},
	}
	published := map[[2]int]map[Fact]Value{} // by connection and packet
	hear := func(c powercut.Conn, at int, p packets.ControlPacket) error {
		m, ok := p.(*packets.PublishPacket)
		if !ok {
			return nil
		}
		if c.Listener == mqtt {
			facts := Said(m.TopicName, m.Payload)
			published[[2]int{c.Number, int(m.MessageID)}] = facts
			for f, v := range facts {
				r.said[f] = v
			}
		} else if strings.HasSuffix(m.TopicName, "/receipt") {
			return r.settle(m.Payload, at)
		}
		return nil
	}
	say := func(c powercut.Conn, at int, p packets.ControlPacket) error {
		switch p := p.(type) {
		case *packets.PubackPacket:
			if facts, ok := published[[2]int{c.Number, int(p.MessageID)}]; ok && c.Listener == mqtt {
				r.Told = append(r.Told, Told{AckAt: at, Facts: facts})
			}
		case *packets.PublishPacket:
			if !strings.Contains(p.TopicName, "/up/") || strings.HasSuffix(p.TopicName, "/hello") {
				return nil
			}
			e, err := envelope.Decode(p.Payload)
			if err != nil {
				return err
			}
			r.Sent = append(r.Sent, Sent{at, e})
			r.sent[covers(e.Epoch, e.Log, e.Sequences)] = e
		}
		return nil
	}
	ours := func(c powercut.Conn) bool { return c.Listener == mqtt || c.Remote == cloud && c.Listener == 0 }
	if err := packetsOf(t, ours, hear, say); err != nil {
		return nil, err
	}
	for i := range r.Told {
		r.Told[i].SettledAt = r.settledAt(r.Told[i].Facts)
	}
	slices.SortFunc(r.Told, func(a, b Told) int { return cmp.Compare(a.AckAt, b.AckAt) })
	return r, nil
}

func (r *Recording) settledAt(facts map[Fact]Value) int {
	at := 0
	for f := range facts {
		s, ok := r.settled[f]
		if !ok {
			return never
		}
		at = max(at, s)
	}
	return at
}

func covers(epoch string, log envelope.Log, rs []envelope.Range) string {
	return fmt.Sprint(epoch, log, rs)
}

// settle notes where what a Receipt covers was first settled.
func (r *Recording) settle(payload []byte, at int) error {
	rc, err := envelope.DecodeReceipt(payload)
	if err != nil {
		return err
	}
	r.receipts = append(r.receipts, receipt{at, rc})
	l := NewLedger()
	l.Take(r.sent[covers(rc.Epoch, rc.Log, rc.Sequences)])
	for f := range l.facts {
		if _, known := r.settled[f]; !known {
			r.settled[f] = at
		}
	}
	for k := range l.raises {
		if _, known := r.raised[k]; !known {
			r.raised[k] = at
		}
	}
	return nil
}

// Said returns what a device said in the recording.
func (r *Recording) Said(f Fact) (Value, bool) {
	v, ok := r.said[f]
	return v, ok
}

// MustHold are the messages acknowledged before position at of which not
// everything was settled by then.
func (r *Recording) MustHold(at int) (out []Told) {
	for _, m := range r.ToldBefore(at) {
		if m.SettledAt > at {
			out = append(out, m)
		}
	}
	return out
}

// ToldBefore are the messages acknowledged before position at.
func (r *Recording) ToldBefore(at int) []Told {
	n, _ := slices.BinarySearchFunc(r.Told, at, func(m Told, at int) int { return cmp.Compare(m.AckAt, at) })
	return r.Told[:n]
}

// SentBefore is what an edge had sent before position at: Sequences and
// tickets, without samples and events.
func (r *Recording) SentBefore(at int) *Ledger {
	l := NewLedger()
	for _, s := range r.Sent {
		if s.At < at {
			e := s.Envelope
			e.Samples, e.Events = nil, nil
			l.Take(e)
		}
	}
	return l
}

// SettledBefore are the Sequences that had a Receipt before position at.
func (r *Recording) SettledBefore(at int) map[string]envelope.RangeSet {
	out := map[string]envelope.RangeSet{}
	for _, rc := range r.receipts {
		if rc.at <= at {
			k := logOf(rc.Epoch, rc.Log)
			out[k] = out[k].AddAll(rc.Sequences)
		}
	}
	return out
}

// RaisedBefore reports whether a Raise by a rule of a device had a Receipt
// before position at.
func (r *Recording) RaisedBefore(at int, device, rule string) bool {
	s, ok := r.raised[[2]string{device, rule}]
	return ok && s <= at
}

// packetsOf cuts the traffic of each connection into MQTT packets. A packet
// heard counts from where it had come whole; one said from where the write of
// its last byte began.
func packetsOf(t *powercut.Trace, ours func(powercut.Conn) bool, hear, say func(powercut.Conn, int, packets.ControlPacket) error) error {
	all := make([]directed, 0, len(t.Heard)+len(t.Sent))
	for _, x := range t.Heard {
		all = append(all, directed{x, false})
	}
	for _, x := range t.Sent {
		all = append(all, directed{x, true})
	}
	slices.SortStableFunc(all, func(a, b directed) int { return cmp.Compare(a.At, b.At) })
	rest := map[[2]int]*bytes.Buffer{}
	for _, x := range all {
		if !ours(x.Conn) {
			continue
		}
		key, do := [2]int{x.Conn.Number, 0}, hear
		if x.out {
			key[1], do = 1, say
		}
		if rest[key] == nil {
			rest[key] = &bytes.Buffer{}
		}
		rest[key].Write(x.Data)
		for whole(rest[key].Bytes()) {
			p, err := packets.ReadPacket(rest[key])
			if err != nil {
				return fmt.Errorf("connection %+v: %w", x.Conn, err)
			}
			if err := do(x.Conn, x.At, p); err != nil {
				return fmt.Errorf("connection %+v: %w", x.Conn, err)
			}
		}
	}
	return nil
}

type directed struct {
	powercut.Traffic
	out bool
}

// whole reports whether b begins with a whole MQTT packet.
func whole(b []byte) bool {
	n := 0
	for i := 1; i < len(b) && i <= 4; i++ {
		n |= int(b[i]&0x7f) << (7 * (i - 1))
		if b[i]&0x80 == 0 {
			return len(b) >= 1+i+n
		}
	}
	return false
}
