package modbussim

import (
	"encoding/binary"
	"io"
	"net"
	"time"
)

// A Modbus TCP frame (MODBUS Messaging on TCP/IP V1.0b, 3.1.3):
//
//	0  transaction id  u16
//	2  protocol id     u16, 0
//	4  length          u16, of what follows
//	6  unit id         u8
//	7  function code   u8
//	8  data
const (
	headerSize = 6
	maxFrame   = 260
)

// connection serves one master. It is used by one goroutine.
type connection struct {
	conn   net.Conn
	server *Server
	// last is the answer before this one.
	last []byte
}

// serve answers requests in their order until the connection ends or the
// master sends what is no frame.
func (c *connection) serve() {
	var buf [maxFrame]byte
	for {
		if _, err := io.ReadFull(c.conn, buf[:headerSize]); err != nil {
			return
		}
		length := int(binary.BigEndian.Uint16(buf[4:]))
		if length < 2 || length > maxFrame-headerSize {
			return
		}
		frame := buf[:headerSize+length]
		if _, err := io.ReadFull(c.conn, frame[headerSize:]); err != nil {
			return
		}
		if !c.reply(frame) {
			return
		}
	}
}

// reply answers one request; false means hang up.
func (c *connection) reply(request []byte) bool {
	unit, function := request[6], request[7]
	u := c.server.find(unit)
	if u == nil {
		return c.send(frame(request, function|0x80, []byte{gatewayNoAnswer}))
	}
	fault := u.take(function)
	var answer []byte
	switch {
	case fault.kind == exceptional:
		answer = frame(request, function|0x80, []byte{fault.exception})
	case function < 1 || function > 4 || len(request) != 12:
		answer = frame(request, function|0x80, []byte{illegalFunction})
	default:
		address, count := binary.BigEndian.Uint16(request[8:]), binary.BigEndian.Uint16(request[10:])
		data, exception := u.answer(function, address, count)
		if exception != 0 {
			answer = frame(request, function|0x80, []byte{exception})
		} else {
			answer = frame(request, function, append([]byte{byte(len(data))}, data...))
		}
	}
	return c.misbehave(fault, answer)
}

// frame builds the answer to a request.
func frame(request []byte, function byte, data []byte) []byte {
	f := make([]byte, 0, 8+len(data))
	f = append(f, request[0], request[1], 0, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(2+len(data)))
	f = append(f, request[6], function)
	return append(f, data...)
}

// misbehave sends a sound answer, or what the fault makes of it.
func (c *connection) misbehave(fault Fault, answer []byte) bool {
	before := c.last
	c.last = append([]byte(nil), answer...)
	switch fault.kind {
	case silent:
		return true
	case late:
		if !c.wait(fault.after) {
			return false
		}
	case wrongTransaction:
		answer[1] ^= 0xFF
	case wrongProtocol:
		answer[3] = 1
	case wrongUnit:
		answer[6]++
	case wrongFunction:
		answer[7] ^= 0x07 // 3 becomes 4, and so on: codes that exist
	case wrongCount:
		answer = halve(answer)
	case zeroLength:
		answer[4], answer[5] = 0, 0
	case oversize:
		answer[4] = 0xFF
	case shortFrame:
		c.send(answer[:len(answer)-1])
		return false
	case twice:
		answer = append(answer, answer...)
	case drip:
		for i := range answer {
			if !c.send(answer[i : i+1]) {
				return false
			}
		}
		return true
	case previous:
		if before != nil {
			answer = before
		}
	case hangUp:
		return false
	case reset:
		if tcp, ok := c.conn.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0)
		}
		return false
	}
	return c.send(answer)
}

// halve drops the second half of an answer's data and mends the lengths.
func halve(answer []byte) []byte {
	if len(answer) < 11 {
		return answer
	}
	keep := (len(answer) - 9) / 2
	answer = answer[:9+keep]
	answer[8] = byte(keep)
	binary.BigEndian.PutUint16(answer[4:], uint16(3+keep))
	return answer
}

func (c *connection) send(b []byte) bool {
	_, err := c.conn.Write(b)
	return err == nil
}

// wait lets d pass; false means that the server is being closed.
func (c *connection) wait(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.server.closing:
		return false
	}
}
