// Package memnet is a network in memory for simulations: hosts listen and dial
// by address, and a Bus delivers what they send, after delays and with faults
// that a seed decides. Together with testing/synctest, in which a day passes
// in seconds, it takes the place of TCP below the real daemons.
//
// What a Path may do to those who talk over it: delay, stall in one or both
// directions (a black hole: nothing arrives, nobody is told), lose (which TCP
// makes a delay), refuse to connect, break connections. Host.Kill ends a host
// as kill -9 does, or as a power cut does, of which the far end hears nothing.
//
// It keeps TCP's promises: bytes arrive in order or not at all, and a Write
// that returned says nothing about what arrives. It differs in one thing:
// Write never blocks. A far end that takes nothing is noticed when windowBytes
// are on the way, as a deadline that passed; real TCP would block until then.
//
// Delays are drawn from the seed, the path and the instant, not from one stream
// of random numbers, so that one message more or less leaves all others as
// they were.
package memnet

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

// windowBytes may be on the way in one direction.
const windowBytes = 1 << 20

// retransmit is how long TCP takes to send again what was lost.
const retransmit = 220 * time.Millisecond

// Net is a network. Its methods are safe for concurrent use.
type Net struct {
	bus  *Bus
	seed uint64

	mu        sync.Mutex // guards all below, and all of conns and listeners
	paths     map[[2]string]*Path
	hosts     int
	listeners map[string]*listener
	conns     map[*conn]struct{}
	delivered uint64
	serial    uint64
	observe   func(from, to, what string)
}

// New returns a network on which everything arrives within a millisecond.
func New(bus *Bus, seed uint64) *Net {
	return &Net{
		bus: bus, seed: seed, paths: map[[2]string]*Path{}, listeners: map[string]*listener{}, conns: map[*conn]struct{}{},
		observe: func(string, string, string) {},
	}
}

// Observe has f told of what happens between hosts. f must not block and not
// call the Net.
func (n *Net) Observe(f func(from, to, what string)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.observe = f
}

// Delivered is how many pieces have arrived.
func (n *Net) Delivered() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.delivered
}

// Path is the way from one host to another, one direction of it.
type Path struct {
	// Least and Most bound the delay.
	Least, Most time.Duration
	// Lost is the share of pieces that come late, as TCP sends them again.
	Lost float64
	// Stalled: nothing arrives.
	Stalled bool
	// Refused: connections are not taken.
	Refused bool
}

// Change changes the path from one host to another. What a stall held back
// arrives when it ends.
func (n *Net) Change(from, to string, change func(*Path)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := n.pathLocked(from, to)
	was := p.Stalled
	change(p)
	if !was || p.Stalled {
		return
	}
	for c := range n.conns {
		if c.host.name == to && c.peer.host.name == from && len(c.coming) > 0 {
			n.scheduleLocked(c, n.bus.Now())
		}
	}
}

func (n *Net) pathLocked(from, to string) *Path {
	key := [2]string{from, to}
	p := n.paths[key]
	if p == nil {
		p = &Path{Least: 100 * time.Microsecond, Most: time.Millisecond}
		n.paths[key] = p
	}
	return p
}

// draw is a random stream of its own for a path and an instant.
func (n *Net) draw(from, to string, at time.Duration) *rand.Rand {
	return rand.New(rand.NewPCG(n.seed^rank(from, to), uint64(at))) //nolint:gosec // reproducible by intent
}

// delayLocked is how long a piece takes that is sent now.
func (n *Net) delayLocked(from, to string) time.Duration {
	p := n.pathLocked(from, to)
	r := n.draw(from, to, n.bus.Now())
	d := p.Least + time.Duration(r.Int64N(int64(p.Most-p.Least)+1))
	for again := retransmit; p.Lost > 0 && r.Float64() < p.Lost; again *= 2 {
		d += again
	}
	return d
}

// Break resets all connections between two hosts: both ends are told.
func (n *Net) Break(a, b string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, c := range n.sortedLocked() {
		if c.host.name == a && c.peer.host.name == b || c.host.name == b && c.peer.host.name == a {
			c.failLocked(syscall.ECONNRESET)
		}
	}
}

// Host is one run of a machine.
type Host struct {
	n          *Net
	name, addr string
	dead       bool // guarded by Net.mu
	port       int
}

// Host returns a machine of that name, which must have no other one alive.
func (n *Net) Host(name, addr string) *Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.hosts++
	return &Host{n: n, name: name, addr: addr, port: 40_000}
}

// Kill ends the host: nothing that it sends from now on arrives, nor anything
// that is sent to it. With silent the far ends are not told, as when the power
// was cut; else their connections end behind what was sent before.
func (h *Host) Kill(silent bool) {
	n := h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	if !silent { // the kernel still closes what the process had open
		for _, c := range n.sortedLocked() {
			if c.host == h {
				n.sendLocked(c, nil, true)
			}
		}
	}
	h.dead = true
	for at, l := range n.listeners {
		if l.host == h {
			delete(n.listeners, at)
			l.closeLocked()
		}
	}
	for _, c := range n.sortedLocked() {
		if c.host != h {
			continue
		}
		c.failLocked(net.ErrClosed)
	}
}

// Alive reports whether the host was not killed.
func (h *Host) Alive() bool {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	return !h.dead
}

// Listen makes a listener. The network's name is of no matter.
func (h *Host) Listen(_ context.Context, network, address string) (net.Listener, error) {
	n := h.n
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case h.dead:
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr(address), Err: syscall.ENETDOWN}
	case n.listeners[address] != nil:
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr(address), Err: syscall.EADDRINUSE}
	}
	l := &listener{n: n, host: h, at: address}
	l.cond.L = &n.mu
	n.listeners[address] = l
	return l, nil
}

// Dial connects to who listens on address; it takes a way there and back.
func (h *Host) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	n := h.n
	answer := make(chan error, 1)
	var got net.Conn
	n.mu.Lock()
	n.dialLocked(h, address, func(c net.Conn, err error) {
		got = c
		answer <- err
	})
	n.mu.Unlock()
	var err error
	select {
	case err = <-answer:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Addr: addr(address), Err: err}
	}
	return got, nil
}

// dialLocked asks the listener's host, which answers with done; never while
// the way is stalled. A caller that lost patience leaves a connection behind
// which nobody uses, as with TCP.
func (n *Net) dialLocked(h *Host, address string, done func(net.Conn, error)) {
	l := n.listeners[address]
	if h.dead {
		return // as when the network's cable is drawn
	}
	if l == nil || n.pathLocked(h.name, l.host.name).Refused {
		n.bus.At(n.bus.Now()+time.Millisecond, rank(h.name, address), func() { done(nil, syscall.ECONNREFUSED) })
		return
	}
	to := l.host.name
	if n.pathLocked(h.name, to).Stalled || n.pathLocked(to, h.name).Stalled {
		return
	}
	h.port++
	port := h.port
	at := n.bus.Now() + n.delayLocked(h.name, to) + n.delayLocked(to, h.name)
	n.bus.At(at, rank(h.name, to), func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		switch {
		case h.dead || n.pathLocked(h.name, to).Stalled || n.pathLocked(to, h.name).Stalled:
		case l.closed:
			done(nil, syscall.ECONNREFUSED)
		default:
			n.observe(h.name, to, "connect")
			near, far := n.pairLocked(h, port, l)
			l.ready = append(l.ready, far)
			l.cond.Broadcast()
			done(near, nil)
		}
	})
}

func rank(from, to string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(from + ">" + to))
	return h.Sum64()
}

// addr is a net.Addr.
type addr string

func (addr) Network() string  { return "tcp" }
func (a addr) String() string { return string(a) }

type listener struct {
	n      *Net
	host   *Host
	at     string
	cond   sync.Cond // on Net.mu
	ready  []net.Conn
	closed bool
}

func (l *listener) Accept() (net.Conn, error) {
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	for len(l.ready) == 0 && !l.closed {
		l.cond.Wait()
	}
	if l.closed {
		return nil, net.ErrClosed
	}
	c := l.ready[0]
	l.ready = l.ready[1:]
	return c, nil
}

func (l *listener) Close() error {
	l.n.mu.Lock()
	defer l.n.mu.Unlock()
	if l.n.listeners[l.at] == l {
		delete(l.n.listeners, l.at)
	}
	l.closeLocked()
	return nil
}

func (l *listener) closeLocked() {
	l.closed = true
	for _, c := range l.ready {
		c.(*conn).peer.failLocked(syscall.ECONNRESET)
	}
	l.ready = nil
	l.cond.Broadcast()
}

func (l *listener) Addr() net.Addr { return addr(l.at) }
