package modbus

import (
	"context"
	"encoding/binary"
	"net"
	"time"

	"github.com/goburrow/modbus"

	"github.com/linshao/linshao/protocol/kit/clock"
)

// Dial opens the connection to HOST:PORT. It returns when ctx ends.
type Dial func(ctx context.Context, address string) (net.Conn, error)

// dialTCP notices a peer that lost its power within half a minute even while
// nothing is asked.
func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	d := net.Dialer{KeepAliveConfig: net.KeepAliveConfig{
		Enable: true, Idle: 15 * time.Second, Interval: 5 * time.Second, Count: 3,
	}}
	return d.DialContext(ctx, "tcp", address)
}

// dialEvery is the least time between two dials of one endpoint: small
// terminals keep a handful of half-dead sockets and then no longer answer.
const dialEvery = time.Second

const (
	headerSize = 6   // up to and with the length
	maxFrame   = 260 // MODBUS Messaging on TCP/IP V1.0b, 3.1.3
	unitByte   = 6
	codeByte   = 7
)

// transport carries frames over one TCP connection, one request at a time. It
// is goburrow's Transporter with these promises on top:
//
//   - After any failure that is not a Modbus exception the connection is gone,
//     and with it every late answer: none can be taken for another's.
//   - A reply is handed on only if it is whole and answers this request.
//   - Function codes other than 1 to 4 are never sent.
//   - At most one dial per dialEvery.
//
// It is used by one goroutine. The reply is valid until the next Send.
type transport struct {
	// ctx ends the actor that owns the transport; goburrow's interface has no
	// place for it in the call.
	ctx     context.Context
	clock   clock.Clock
	address string
	dial    Dial
	every   time.Duration // between dials
	pause   time.Duration // after a dial
	timeout time.Duration // of one answer; the actor sets it for each unit

	conn net.Conn
	// release takes back the promise to close conn when ctx ends.
	release func() bool
	// served counts replies on conn.
	served int
	// dialed and dialedAt tell of the last dial, dialErr how it failed.
	dialed   bool
	dialedAt time.Duration
	dialErr  *failure

	buf [maxFrame]byte
}

var _ modbus.Transporter = (*transport)(nil)

// Send implements modbus.Transporter.
func (t *transport) Send(request []byte) ([]byte, error) {
	if len(request) != 12 || request[codeByte] < 1 || request[codeByte] > 4 {
		return nil, fail(reasonNotAllowed, "only function codes 1 to 4 are sent")
	}
	if t.conn == nil {
		if err := t.connect(); err != nil {
			return nil, err
		}
	}
	reply, f := t.exchange(request)
	if f != nil && t.wornOut(f) {
		t.drop()
		if err := t.connect(); err != nil {
			return nil, err
		}
		reply, f = t.exchange(request)
	}
	if f != nil {
		t.drop()
		return nil, f
	}
	t.served++
	return reply, nil
}

// wornOut reports whether a device hung up on a connection that had worked
// before, as many do after some idle seconds: reading again is harmless, and
// no answer can be under way. Not more often than one may dial.
func (t *transport) wornOut(f *failure) bool {
	return t.served > 0 && (f.reason == reasonClosed || f.reason == reasonReset) &&
		t.clock.Mono()-t.dialedAt >= t.every
}

// exchange sends one request and reads one frame.
func (t *transport) exchange(request []byte) ([]byte, *failure) {
	if err := t.conn.SetDeadline(time.Now().Add(t.timeout)); err != nil {
		return nil, connectionFailure(err, 0)
	}
	if _, err := t.conn.Write(request); err != nil {
		return nil, connectionFailure(err, 0)
	}
	got, need := 0, headerSize
	for got < need {
		n, err := t.conn.Read(t.buf[got:])
		got += n
		if got >= headerSize && need == headerSize {
			length := int(binary.BigEndian.Uint16(t.buf[4:]))
			if length < 3 || length > maxFrame-headerSize {
				return nil, fail(reasonBadLength, "the header says %d bytes", length)
			}
			need = headerSize + length
		}
		if err != nil && got < need {
			return nil, connectionFailure(err, got)
		}
	}
	reply := t.buf[:need]
	if f := checkReply(request, reply); f != nil {
		return nil, f
	}
	if got > need {
		// Somebody talks unasked. This answer is sound, the next might not be.
		t.drop()
	}
	return reply, nil
}

// connect dials, not more often than every. Where the last dial failed less
// than that ago, its failure is the answer; where it worked, connect waits.
func (t *transport) connect() error {
	if wait := t.dialedAt + t.every - t.clock.Mono(); t.dialed && wait > 0 {
		if t.dialErr != nil {
			return t.dialErr
		}
		if err := clock.Wait(t.ctx, t.clock, wait); err != nil {
			return err
		}
	}
	t.dialed, t.dialedAt, t.dialErr = true, t.clock.Mono(), nil
	ctx, cancel := context.WithTimeout(t.ctx, t.timeout)
	defer cancel()
	conn, err := t.dial(ctx, t.address)
	if err != nil {
		t.dialErr = dialFailure(err)
		return t.dialErr
	}
	t.conn, t.served = conn, 0
	t.release = context.AfterFunc(t.ctx, func() { _ = conn.Close() })
	if t.pause > 0 {
		return clock.Wait(t.ctx, t.clock, t.pause)
	}
	return nil
}

// drop closes the connection. It may be called without one.
func (t *transport) drop() {
	if t.conn == nil {
		return
	}
	t.release()
	_ = t.conn.Close()
	t.conn = nil
}

// link is a transport under goburrow's client and packager. Transaction ids
// run on over all units, so that two units never wait for the same one.
type link struct {
	transport *transport
	packager  *modbus.TCPClientHandler
	client    modbus.Client
}

func newLink(t *transport) *link {
	p := modbus.NewTCPClientHandler("")
	return &link{transport: t, packager: p, client: modbus.NewClient2(p, t)}
}

// read reads one block of one unit. The answer is valid until the next read.
func (l *link) read(unit uint8, b Block, timeout time.Duration) ([]byte, error) {
	l.packager.SlaveId = unit
	l.transport.timeout = timeout
	ask := l.client.ReadHoldingRegisters
	switch space(b.Register) {
	case 0:
		ask = l.client.ReadCoils
	case 1:
		ask = l.client.ReadDiscreteInputs
	case 3:
		ask = l.client.ReadInputRegisters
	}
	return ask(b.Address, uint16(b.Count))
}
