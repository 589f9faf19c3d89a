package simulation

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"github.com/linshao/linshao/protocol/kit/memnet"
	"github.com/linshao/linshao/protocol/topic"
)

// metrics of a device's message.
const metrics = 4

// box publishes by itself, at QoS 1, one message at a time and in order, each
// again until it is acknowledged. It never forgets what has no PUBACK.
type device struct {
	w       *World
	edge    int
	id      string
	host    *memnet.Host
	backlog []*told

	conn    net.Conn
	packet  uint16
	dialing bool
	heard   time.Duration // when the edge said something last
	number  int
	// raised are the conditions that the device is in.
	raised map[string]bool
}

// told is one message of a device.
type told struct {
	device  *device
	topic   string
	payload string
	// first and count are its values; event is set instead for an alarm.
	first, count int
	event        string
	atMS         int64
	sends        int
	acked        bool
	ackedAt      time.Duration
}

func newDevice(w *World, edge, d int) *device {
	x := &device{w: w, edge: edge, id: deviceID(d), raised: map[string]bool{}}
	x.host = w.net.Host(x.name(), fmt.Sprintf("10.%d.1.%d", edge+1, d+1))
	return x
}

func (d *device) name() string { return fmt.Sprintf("%s/%s", edgeID(d.edge), d.id) }

// say queues a message with n samples of each metric, up to now.
func (d *device) say(n int) {
	now := d.w.trueMS()
	var b strings.Builder
	b.WriteByte('[')
	m := &told{device: d, topic: topic.Device(d.id).Telemetry(), first: d.number, count: n, atMS: now}
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"ts":%d,"values":{`, now-int64(n-1-i)*1000)
		for k := range metrics {
			if k > 0 {
				b.WriteByte(',')
			}
			fmt.Fprintf(&b, `"v%d":%d`, k, d.number)
		}
		b.WriteString("}}")
		d.number++
	}
	b.WriteByte(']')
	m.payload = b.String()
	d.w.told += n * metrics
	d.tell(m)
}

// happen queues an event.
func (d *device) happen(event string) {
	now := d.w.trueMS()
	d.w.told++
	d.w.trace("happen", d.name(), event)
	d.tell(&told{device: d, topic: topic.Device(d.id).Events(), event: event, atMS: now, payload: fmt.Sprintf(`{"ts":%d,"event":%q}`, now, event)})
}

func (d *device) tell(m *told) {
	d.w.journal = append(d.w.journal, m)
	d.backlog = append(d.backlog, m)
	if d.conn != nil && len(d.backlog) == 1 {
		d.send()
	}
}

// keep is called now and then: it connects where there is no connection.
func (d *device) keep() {
	now := d.w.bus.Now()
	if d.conn != nil {
		if len(d.backlog) > 0 && now-d.heard > 20*time.Second {
			d.drop() // no answer: TCP would tell, or the person beside it
			return
		}
		if now-d.heard > 25*time.Second {
			_, _ = d.conn.Write([]byte{0xc0, 0}) // PINGREQ
		}
		if now-d.heard > 60*time.Second {
			d.drop()
		}
		return
	}
	if !d.dialing {
		d.dialing = true
		d.w.go_(func() { d.connect() })
	}
}

func (d *device) drop() {
	if d.conn != nil {
		_ = d.conn.Close()
		d.conn = nil
	}
}

// connect signs in and reads answers until the connection ends. It runs on a
// goroutine of its own; everything else of a device is done on the bus.
func (d *device) connect() {
	ctx, cancel := context.WithTimeout(d.w.ctx, 5*time.Second)
	defer cancel()
	conn, err := d.host.Dial(ctx, "tcp", edgeMQTT(d.edge))
	if err != nil {
		d.w.soon(d.name(), func() { d.dialing = false })
		return
	}
	defer conn.Close()
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	_, _ = conn.Write(connectPacket(d.id, "secret-"+strings.TrimPrefix(d.id, "box-")))
	var ack [4]byte
	if _, err := io.ReadFull(conn, ack[:]); err != nil || ack[3] != 0 {
		d.w.soon(d.name(), func() { d.dialing = false })
		return
	}
	_ = conn.SetReadDeadline(time.Time{})
	d.w.soon(d.name(), func() { d.signedIn(conn) })
	for {
		var head [2]byte
		if _, err := io.ReadFull(conn, head[:]); err != nil {
			break
		}
		body := make([]byte, head[1])
		if _, err := io.ReadFull(conn, body); err != nil {
			break
		}
		kind := head[0]
		d.w.soon(d.name(), func() { d.answer(conn, kind, body) })
	}
	d.w.soon(d.name(), func() {
		if d.conn == conn {
			d.conn = nil
		}
	})
}

func (d *device) signedIn(conn net.Conn) {
	d.dialing = false
	d.conn, d.heard = conn, d.w.bus.Now()
	if len(d.backlog) > 0 {
		d.send()
	}
}

func (d *device) send() {
	m := d.backlog[0]
	m.sends++
	d.packet++
	if d.packet == 0 {
		d.packet = 1
	}
	_, _ = d.conn.Write(publishPacket(m.topic, d.packet, m.payload))
}

func (d *device) answer(conn net.Conn, kind byte, body []byte) {
	if d.conn != conn {
		return
	}
	d.heard = d.w.bus.Now()
	if kind != 0x40 || len(body) < 2 || binary.BigEndian.Uint16(body) != d.packet || len(d.backlog) == 0 {
		return
	}
	m := d.backlog[0]
	m.acked, m.ackedAt = true, d.w.bus.Now()
	d.w.trace("puback", d.name(), m.topic)
	if d.backlog = d.backlog[1:]; len(d.backlog) > 0 {
		d.send()
	}
}

// connectPacket is MQTT 3.1.1's, clean session, keep-alive 60 s.
func connectPacket(id, secret string) []byte {
	b := []byte{0, 4, 'M', 'Q', 'T', 'T', 4, 0xc2, 0, 60}
	for _, s := range []string{id, id, secret} {
		b = append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...) //nolint:gosec // short
	}
	return append([]byte{0x10, byte(len(b))}, b...)
}

func publishPacket(topic string, id uint16, payload string) []byte {
	n := 2 + len(topic) + 2 + len(payload)
	b := binary.AppendUvarint([]byte{0x32}, uint64(n))                         // MQTT's length is a varint of the same form
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(topic))), topic...) //nolint:gosec // short
	return append(binary.BigEndian.AppendUint16(b, id), payload...)
}

// begin and finish are the device's conditions.
func (d *device) begin(event, _ string) {
	d.raised[event] = true
	d.happen(event)
}

func (d *device) finish(event, end string) {
	if d.raised[event] {
		delete(d.raised, event)
		d.happen(end)
	}
}
