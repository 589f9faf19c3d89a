package mqttbroker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"time"

	"github.com/linshao/linshao/protocol/kit/backoff"
	"github.com/linshao/linshao/protocol/kit/clock"
)

// listenerID names our connections inside mochi, which wants a name.
const listenerID = "linshao"

// accept takes connections until ln is closed. Running out of file descriptors
// passes; it waits and goes on.
func (b *Broker) accept(ln net.Listener, conf *tls.Config) {
	pause := backoff.New(clock.NewSystem(), 5*time.Millisecond, time.Second)
	for {
		raw, err := ln.Accept()
		switch {
		case err == nil:
			pause.Reset()
			b.welcome(raw, conf)
		case errors.Is(err, net.ErrClosed):
			return
		default:
			b.warn("cannot accept MQTT connections", "err", err)
			if pause.Wait(b.ctx) != nil {
				return
			}
		}
	}
}

func (b *Broker) welcome(raw net.Conn, conf *tls.Config) {
	if conf != nil {
		raw = tls.Server(raw, conf)
	}
	c := newConn(b.ctx, raw, b.o.Limits)
	if !b.gate.admit(c) {
		c.cancel()
		b.count.full.Add(1)
		b.warn("MQTT connection refused: too many", "remote", raw.RemoteAddr().String())
		closeRaw(raw)
		return
	}
	b.wg.Go(c.send)
	b.wg.Go(func() { b.serve(c) })
}

// closeRaw skips the TLS goodbye, which would wait for a stranger.
func closeRaw(raw net.Conn) {
	if t, ok := raw.(*tls.Conn); ok {
		raw = t.NetConn()
	}
	_ = raw.Close()
}

// serve runs one connection to its end. mochi decodes some packets without
// checking lengths and has no recover of its own, so a panic ends here, and
// what mochi then skipped is done by end.
func (b *Broker) serve(c *conn) {
	defer b.gate.leave(c)
	defer b.end(c)
	defer func() {
		if p := recover(); p != nil {
			b.count.panics.Add(1)
			b.warn("MQTT connection ended by a panic", "remote", c.RemoteAddr().String(), "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	if err := b.greet(c); err != nil {
		b.count.silent.Add(1)
		b.log.Debug("MQTT connection closed before CONNECT", "remote", c.RemoteAddr().String(), "err", err)
		return
	}
	if err := b.server.EstablishConnection(listenerID, c); err != nil {
		b.log.Debug("MQTT connection ended", "remote", c.RemoteAddr().String(), "err", err)
	}
}

// greet shakes hands and reads the CONNECT's fixed header, all within one
// deadline that stays in force until mochi has read the rest.
func (b *Broker) greet(c *conn) error {
	deadline := time.Now().Add(b.o.Limits.ConnectWithin)
	if err := c.SetDeadline(deadline); err != nil {
		return err
	}
	if t, ok := c.Conn.(*tls.Conn); ok {
		ctx, cancel := context.WithDeadline(c.ctx, deadline)
		defer cancel()
		if err := t.HandshakeContext(ctx); err != nil {
			return fmt.Errorf("TLS handshake: %w", err)
		}
		if chains := t.ConnectionState().VerifiedChains; len(chains) > 0 {
			c.commonName = chains[0][0].Subject.CommonName
		}
	}
	head, err := readConnectHeader(c.Conn)
	c.head = head
	return err
}

var (
	errNotConnect   = errors.New("first packet is not a CONNECT")
	errConnectLarge = fmt.Errorf("CONNECT is larger than %d bytes", maxConnectBytes)
)

// readConnectHeader reads the first byte and the remaining length [MQTT-3.1.0-1]
// one byte at a time, so that nothing is allocated on the word of a stranger.
func readConnectHeader(r io.Reader) ([]byte, error) {
	var head [5]byte
	if _, err := io.ReadFull(r, head[:1]); err != nil {
		return nil, err
	}
	if head[0] != 0x10 {
		return nil, errNotConnect
	}
	length := 0
	for i := 1; i < len(head); i++ {
		if _, err := io.ReadFull(r, head[i:i+1]); err != nil {
			return nil, err
		}
		length |= int(head[i]&0x7f) << (7 * (i - 1))
		if length > maxConnectBytes {
			return nil, errConnectLarge
		}
		if head[i] < 0x80 {
			return head[:i+1], nil
		}
	}
	return nil, errConnectLarge
}

// end removes every trace of c. It runs after mochi's own clean-up, which a
// panic skips and an error between CONNECT and CONNACK as well; all of it may
// be done twice.
func (b *Broker) end(c *conn) {
	_ = c.Close()
	s := c.session
	if s != nil {
		s.cl.Stop(nil)
		b.server.UnsubscribeClient(s.cl)
		s.cl.ClearInflights()
		b.server.Clients.Delete(s.cl.ID)
		b.leave(s)
		close(s.ended)
	}
	<-c.gone
}
