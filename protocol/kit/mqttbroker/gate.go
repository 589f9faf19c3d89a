package mqttbroker

import (
	"container/list"
	"net/netip"
	"sync"
)

// gate counts connections and says who may come in.
type gate struct {
	limits Limits

	mu sync.Mutex
	// open holds every connection, with its place among the strangers (nil
	// once it has sent its CONNECT).
	open    map[*conn]*list.Element
	address map[netip.Addr]int
	// strangers are the connections without CONNECT, oldest first.
	strangers list.List
	closed    bool
}

func newGate(l Limits) gate {
	return gate{limits: l, open: map[*conn]*list.Element{}, address: map[netip.Addr]int{}}
}

// admit lets c in as a stranger, if need be in place of the oldest one, or
// reports false if there is no room.
func (g *gate) admit(c *conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed || len(g.open) >= g.limits.Connections || g.address[c.address] >= g.limits.PerAddress {
		return false
	}
	if g.strangers.Len() >= g.limits.Strangers {
		oldest := g.strangers.Front()
		_ = g.strangers.Remove(oldest).(*conn).Close()
		g.open[oldest.Value.(*conn)] = nil
	}
	g.open[c] = g.strangers.PushBack(c)
	g.address[c.address]++
	return true
}

// known: c has sent its CONNECT and proved who it is.
func (g *gate) known(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.knownLocked(c)
}

func (g *gate) knownLocked(c *conn) {
	if e := g.open[c]; e != nil {
		g.strangers.Remove(e)
		g.open[c] = nil
	}
}

func (g *gate) leave(c *conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.knownLocked(c)
	delete(g.open, c)
	if g.address[c.address]--; g.address[c.address] <= 0 {
		delete(g.address, c.address)
	}
}

// closeAll closes every connection and lets nobody in any more.
func (g *gate) closeAll() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	for c := range g.open {
		_ = c.Close()
	}
}
