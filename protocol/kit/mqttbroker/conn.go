package mqttbroker

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

// errSlow: the peer does not read what it is sent.
var errSlow = errors.New("peer does not read")

// conn is a client's connection. Writing to it never blocks: bytes are queued
// up to a bound and one goroutine sends them, many packets in one write. mochi
// holds a lock per client while it writes, and takes the same lock to give a
// message to that client; with a blocking write, one peer that does not read
// would hold up everyone who publishes to it.
type conn struct {
	net.Conn
	address     netip.Addr
	commonName  string
	writeWithin time.Duration
	maxQueued   int
	// ctx ends when the connection is being closed.
	ctx    context.Context
	cancel context.CancelFunc

	// head holds bytes read ahead of mochi. Reader's goroutine only.
	head []byte
	// session is set by the hook, in the goroutine that serves the connection.
	session *session

	mu sync.Mutex
	// queue holds the bytes to be sent; guarded by mu.
	queue []byte
	// closing: nothing more may be queued; guarded by mu.
	closing bool
	// wake has room for one signal: something was queued, or closing was set.
	wake chan struct{}
	// gone is closed when the socket is closed and the sender has ended.
	gone chan struct{}
}

func newConn(ctx context.Context, raw net.Conn, l Limits) *conn {
	c := &conn{
		Conn: raw, address: addressOf(raw), writeWithin: l.WriteWithin, maxQueued: l.QueuedBytes,
		wake: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	return c
}

func addressOf(c net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap()
}

// Read gives out the head first.
func (c *conn) Read(p []byte) (int, error) {
	if len(c.head) > 0 {
		n := copy(p, c.head)
		c.head = c.head[n:]
		return n, nil
	}
	return c.Conn.Read(p)
}

// Write queues p. It fails if the connection is closing, and closes it if the
// queue is full.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return 0, net.ErrClosed
	}
	if len(c.queue)+len(p) > c.maxQueued {
		c.queue = nil // it would not read this either
		c.closeLocked()
		return 0, errSlow
	}
	c.queue = append(c.queue, p...)
	c.signal()
	return len(p), nil
}

// Close lets what is queued be sent, ends the Read in progress, and returns at
// once; gone says when the socket is closed.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closeLocked()
	return nil
}

func (c *conn) closeLocked() {
	if c.closing {
		return
	}
	c.closing = true
	c.cancel()
	_ = c.Conn.SetReadDeadline(time.Unix(1, 0))
	c.signal()
}

func (c *conn) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// SetDeadline is how mochi renews the keep-alive. It concerns reading only:
// writing has its own deadline.
func (c *conn) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		return net.ErrClosed
	}
	return c.Conn.SetReadDeadline(t)
}

// send writes the queue until the connection closes.
func (c *conn) send() {
	defer close(c.gone)
	defer func() { _ = c.Conn.Close() }()
	var batch []byte
	for range c.wake {
		c.mu.Lock()
		batch, c.queue = c.queue, batch[:0]
		last := c.closing
		c.mu.Unlock()
		if len(batch) > 0 {
			_ = c.Conn.SetWriteDeadline(time.Now().Add(c.writeWithin))
			if _, err := c.Conn.Write(batch); err != nil {
				_ = c.Close()
				return
			}
		}
		if last {
			return
		}
		if cap(batch) > 64<<10 {
			batch = nil // one large burst must not be paid for ever
		}
	}
}
