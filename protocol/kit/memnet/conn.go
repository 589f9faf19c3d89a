package memnet

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

// conn is one end of a connection. Net.mu guards all of it.
type conn struct {
	n             *Net
	host          *Host
	peer          *conn
	local, remote addr
	serial        uint64

	// arrived can be read; coming is on its way here, oldest first.
	arrived []byte
	coming  []piece
	onWay   int           // bytes in coming
	lastDue time.Duration // no piece may overtake another
	pending bool          // the Bus holds an event for coming[0]

	ended  bool  // the far end has closed and everything arrived
	err    error // broken, or closed here
	closed bool

	readable   sync.Cond
	read, give limit
}

// piece is what was written in one instant; fin ends the stream.
type piece struct {
	due   time.Duration
	sent  time.Duration
	bytes []byte
	fin   bool
}

// limit is a deadline.
type limit struct {
	at    time.Time
	timer *time.Timer
}

func (l *limit) passed() bool { return !l.at.IsZero() && !time.Now().Before(l.at) }

func (n *Net) pairLocked(h *Host, port int, l *listener) (near, far *conn) {
	from, to := addr(fmt.Sprintf("%s:%d", h.addr, port)), addr(l.at)
	n.serial += 2
	near = &conn{n: n, host: h, local: from, remote: to, serial: n.serial}
	far = &conn{n: n, host: l.host, local: to, remote: from, serial: n.serial + 1}
	near.peer, far.peer = far, near
	for _, c := range []*conn{near, far} {
		c.readable.L = &n.mu
		n.conns[c] = struct{}{}
	}
	return near, far
}

// sortedLocked are the connections in the order in which they were made.
func (n *Net) sortedLocked() []*conn {
	return slices.SortedFunc(maps.Keys(n.conns), func(a, b *conn) int { return cmp.Compare(a.serial, b.serial) })
}

// Read implements net.Conn.
func (c *conn) Read(p []byte) (int, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	for {
		switch {
		case c.err != nil:
			return 0, c.fault("read", c.err)
		case c.read.passed():
			return 0, c.fault("read", os.ErrDeadlineExceeded)
		case len(c.arrived) > 0:
			n := copy(p, c.arrived)
			if c.arrived = c.arrived[n:]; len(c.arrived) == 0 {
				c.arrived = nil
			}
			return n, nil
		case c.ended:
			return 0, io.EOF
		case len(p) == 0:
			return 0, nil
		}
		c.readable.Wait()
	}
}

// Write implements net.Conn.
func (c *conn) Write(p []byte) (int, error) {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	switch {
	case c.err != nil:
		return 0, c.fault("write", c.err)
	case c.give.passed(), c.peer.onWay > windowBytes:
		return 0, c.fault("write", os.ErrDeadlineExceeded)
	}
	c.n.sendLocked(c, p, false)
	return len(p), nil
}

// sendLocked puts bytes on the way to c's peer. What is sent in one instant
// arrives in one piece.
func (n *Net) sendLocked(c *conn, p []byte, fin bool) {
	to := c.peer
	if c.host.dead || to.host.dead || to.err != nil {
		return
	}
	now := n.bus.Now()
	to.onWay += len(p)
	if k := len(to.coming); k > 0 && to.coming[k-1].sent == now && !to.coming[k-1].fin {
		last := &to.coming[k-1]
		last.bytes, last.fin = append(last.bytes, p...), fin
		return
	}
	due := max(now+n.delayLocked(c.host.name, to.host.name), to.lastDue+time.Microsecond)
	to.lastDue = due
	to.coming = append(to.coming, piece{due: due, sent: now, bytes: slices.Clone(p), fin: fin})
	n.scheduleLocked(to, due)
}

// scheduleLocked has the next piece to c arrive.
func (n *Net) scheduleLocked(c *conn, at time.Duration) {
	if c.pending {
		return
	}
	c.pending = true
	n.bus.At(max(at, c.coming[0].due), rank(c.peer.host.name, c.host.name)+c.serial, func() { n.deliver(c) })
}

func (n *Net) deliver(c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	c.pending = false
	if len(c.coming) == 0 || c.err != nil || n.pathLocked(c.peer.host.name, c.host.name).Stalled {
		return // gone, or it goes on when the stall ends
	}
	p := c.coming[0]
	c.coming = c.coming[1:]
	c.onWay -= len(p.bytes)
	c.arrived = append(c.arrived, p.bytes...)
	c.ended = p.fin
	n.delivered++
	n.observe(c.peer.host.name, c.host.name, "deliver")
	c.readable.Broadcast()
	if len(c.coming) > 0 {
		n.scheduleLocked(c, n.bus.Now())
	}
}

// failLocked breaks this end.
func (c *conn) failLocked(err error) {
	if c.err != nil {
		return
	}
	c.err = err
	c.arrived, c.coming, c.onWay = nil, nil, 0
	delete(c.n.conns, c)
	for _, l := range []*limit{&c.read, &c.give} {
		if l.timer != nil {
			l.timer.Stop()
		}
	}
	c.readable.Broadcast()
}

func (c *conn) fault(op string, err error) error {
	return &net.OpError{Op: op, Net: "tcp", Source: c.local, Addr: c.remote, Err: err}
}

// Close implements net.Conn: what was written still arrives.
func (c *conn) Close() error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if c.closed {
		return c.fault("close", net.ErrClosed)
	}
	c.closed = true
	if c.err == nil {
		c.n.sendLocked(c, nil, true)
	}
	c.failLocked(net.ErrClosed)
	c.err = net.ErrClosed
	return nil
}

// LocalAddr implements net.Conn.
func (c *conn) LocalAddr() net.Addr { return c.local }

// RemoteAddr implements net.Conn.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline implements net.Conn.
func (c *conn) SetDeadline(t time.Time) error {
	if err := c.SetReadDeadline(t); err != nil {
		return err
	}
	return c.SetWriteDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if c.err != nil {
		return c.fault("set", c.err)
	}
	c.read.at = t
	c.readable.Broadcast()
	switch {
	case t.IsZero():
		if c.read.timer != nil {
			c.read.timer.Stop()
		}
	case c.read.timer == nil:
		c.read.timer = time.AfterFunc(time.Until(t), c.expire)
	default:
		c.read.timer.Reset(time.Until(t))
	}
	return nil
}

func (c *conn) expire() {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	c.readable.Broadcast()
}

// SetWriteDeadline implements net.Conn. Write never waits, so only a deadline
// that has passed matters.
func (c *conn) SetWriteDeadline(t time.Time) error {
	c.n.mu.Lock()
	defer c.n.mu.Unlock()
	if c.err != nil {
		return c.fault("set", c.err)
	}
	c.give.at = t
	return nil
}
