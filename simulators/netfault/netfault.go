// Package netfault is a TCP proxy that breaks the network on demand: it cuts,
// swallows, delays, half-closes, and stops in the middle of a message.
//
//	wan, err := netfault.Listen("127.0.0.1:0", cloudAddr)
//	wan.Cut()       // all connections reset, new ones refused
//	wan.Partition() // connections stay open, nothing passes in either direction
//	wan.Heal()      // as if nothing had been
//
// Bytes are never changed or reordered: what TCP guarantees still holds. All
// methods are safe for concurrent use.
package netfault

import (
	"fmt"
	"net"
	"sync"
	"time"
)

// weather is what the network is like now.
type weather int

const (
	fair weather = iota
	partitioned
	cut
)

// Proxy listens until Close.
type Proxy struct {
	ln     net.Listener
	target string
	wg     sync.WaitGroup
	after  func(time.Duration) <-chan time.Time // time.After; tests replace it

	mu      sync.Mutex // guards all below
	weather weather
	delay   time.Duration
	budget  int           // bytes the client may still send, < 0 for no limit
	changed chan struct{} // closed and replaced when weather changes
	pairs   map[*pair]struct{}
	opened  int
	closed  bool
}

// pair is one client and its connection to the target.
type pair struct {
	client, target *net.TCPConn
	done           chan struct{} // closed when the pair is
	once           sync.Once
}

// Listen starts a proxy on listen in front of target, both host:port. The
// target need not be there yet; a client whose target cannot be reached is
// hung up on.
func Listen(listen, target string) (*Proxy, error) {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listen for clients of %s: %w", target, err)
	}
	p := &Proxy{
		ln: ln, target: target, after: time.After, budget: -1,
		changed: make(chan struct{}), pairs: map[*pair]struct{}{},
	}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is the host:port that clients use instead of the target.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Cut resets every connection and refuses new ones until Heal.
func (p *Proxy) Cut() {
	p.change(cut)
	p.DropConnections()
}

// Partition lets nothing pass until Heal, and lets nobody notice: connections
// stay open, new ones are accepted. What was sent meanwhile passes afterwards.
func (p *Proxy) Partition() { p.change(partitioned) }

// Heal ends Cut, Partition, Delay and DropAfter.
func (p *Proxy) Heal() {
	p.mu.Lock()
	p.delay, p.budget = 0, -1
	p.mu.Unlock()
	p.change(fair)
}

// Delay holds every byte back for d, in both directions, from now on.
func (p *Proxy) Delay(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay = d
}

// DropAfter resets the connection that carries the n-th byte from now on from
// a client to the target, right after that byte: in the middle of whatever it
// was saying. It happens once.
func (p *Proxy) DropAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.budget = n
}

// DropConnections resets every connection; new ones are welcome.
func (p *Proxy) DropConnections() {
	for _, c := range p.all() {
		c.reset()
	}
}

// HalfClose ends the way from the target to each present client: clients see
// the end of the stream, what they send still passes.
func (p *Proxy) HalfClose() {
	for _, c := range p.all() {
		_ = c.client.CloseWrite() // a client that is gone needs no telling
	}
}

// Opened is the number of connections accepted and passed on so far.
func (p *Proxy) Opened() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened
}

// Close ends the proxy and returns when nothing of it is left.
func (p *Proxy) Close() error {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	err := p.ln.Close()
	p.DropConnections()
	p.wg.Wait()
	return err
}

func (p *Proxy) change(w weather) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.weather = w
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *Proxy) all() []*pair {
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]*pair, 0, len(p.pairs))
	for c := range p.pairs {
		out = append(out, c)
	}
	return out
}

// reset ends both sides without the farewell of a proper close.
func (c *pair) reset() {
	c.once.Do(func() {
		close(c.done)
		for _, conn := range []*net.TCPConn{c.client, c.target} {
			_ = conn.SetLinger(0)
			_ = conn.Close()
		}
	})
}
