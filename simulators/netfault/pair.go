package netfault

import (
	"net"
	"sync"
	"sync/atomic"
)

// pair is one client and its connection to the target.
type pair struct {
	client, target *net.TCPConn
	// doomed: bytes that way (up, down) were lost, so none may pass any more.
	doomed [2]atomic.Bool
	done   chan struct{} // closed when the pair is
	once   sync.Once
}

// ends returns where bytes of a way come from and go to.
func (c *pair) ends(w Way) (from, to *net.TCPConn) {
	if w == Up {
		return c.client, c.target
	}
	return c.target, c.client
}

// reset ends both sides without the farewell of a proper close.
func (c *pair) reset() {
	c.once.Do(func() {
		close(c.done)
		hangUp(c.client)
		hangUp(c.target)
	})
}

// hangUp resets a connection.
func hangUp(conn *net.TCPConn) {
	_ = conn.SetLinger(0)
	_ = conn.Close()
}

func (c *pair) doom(w Way) {
	for i := range c.doomed {
		if w&(Up<<i) != 0 {
			c.doomed[i].Store(true)
		}
	}
}

// isDoomed reports whether one of the ways lost bytes.
func (c *pair) isDoomed(w Way) bool {
	return w&Up != 0 && c.doomed[0].Load() || w&Down != 0 && c.doomed[1].Load()
}
