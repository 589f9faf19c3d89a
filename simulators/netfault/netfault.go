// Package netfault is a TCP proxy that breaks the network on demand: it cuts,
// swallows, delays, throttles, slices, half-closes, and stops in the middle of
// a message.
//
//	wan, err := netfault.Listen("127.0.0.1:0", cloudAddr)
//	wan.Cut()       // all connections reset, new ones refused
//	wan.Partition() // connections stay open, nothing passes in either direction
//	wan.BlackHole(netfault.Both) // what is sent is taken and lost
//	wan.Heal()      // as if nothing had been
//
// Bytes are never changed or reordered, and none follows a lost one: what TCP
// guarantees still holds. All methods are safe for concurrent use.
package netfault

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Way is a direction.
type Way uint8

// The ways. Faults that take a Way may concern one of them or Both.
const (
	Up   Way = 1 << iota // from clients to the target
	Down                 // from the target to clients
	Both = Up | Down
)

// link is what the network does to one way.
type link struct {
	// held: nothing passes, nothing is lost.
	held bool
	// lost: what is sent vanishes, the end of a stream included.
	lost bool
	// rate in bytes per second, 0 for no limit.
	rate int
}

// patience bounds the wait for the target.
const patience = 5 * time.Second

// resend is after how long TCP sends a lost segment again.
const resend = 200 * time.Millisecond

// loss is how many segments get lost.
type loss struct {
	share float64
	rng   *rand.Rand
}

// late is by how much a segment comes late.
func (l *loss) late() time.Duration {
	d := time.Duration(0)
	for again := resend; l.share > 0 && l.rng.Float64() < l.share; again *= 2 {
		d += again
	}
	return d
}

// Proxy listens until Close.
type Proxy struct {
	ln    net.Listener
	dial  func() (net.Conn, error)
	wg    sync.WaitGroup
	after func(time.Duration) <-chan time.Time // time.After; tests replace it

	mu      sync.Mutex // guards all below
	cut     bool
	links   [2]link // up, down
	delay   time.Duration
	loss    loss
	slice   int           // bytes per segment, 0 for as they come
	budget  int           // bytes the client may still send, < 0 for no limit
	changed chan struct{} // closed and replaced when the weather changes
	pairs   map[*pair]struct{}
	opened  int
	left    int
	closed  bool
}

// Listen starts a proxy on listen in front of target, both host:port. The
// target need not be there yet; a client whose target cannot be reached is
// hung up on.
func Listen(listen, target string) (*Proxy, error) {
	return ListenVia(listen, func() (net.Conn, error) { return net.DialTimeout("tcp", target, patience) })
}

// ListenVia is Listen for a target that only dial reaches, such as one in
// another network namespace. dial returns TCP connections, in bounded time.
func ListenVia(listen string, dial func() (net.Conn, error)) (*Proxy, error) {
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return nil, fmt.Errorf("listen for clients on %s: %w", listen, err)
	}
	p := &Proxy{
		ln: ln, dial: dial, after: time.After, budget: -1,
		changed: make(chan struct{}), pairs: map[*pair]struct{}{},
	}
	p.wg.Go(p.accept)
	return p, nil
}

// Addr is the host:port that clients use instead of the target.
func (p *Proxy) Addr() string { return p.ln.Addr().String() }

// Cut resets every connection and refuses new ones until Heal.
func (p *Proxy) Cut() {
	p.change(func() { p.cut = true })
	p.DropConnections()
}

// Partition lets nothing pass until Heal, and lets nobody notice: connections
// stay open, new ones are accepted. What was sent meanwhile passes afterwards.
func (p *Proxy) Partition() { p.Hold(Both) }

// Hold is a Partition of one way: an asymmetric cut.
func (p *Proxy) Hold(w Way) {
	p.change(func() { p.each(w, func(l *link) { l.held = true }) })
}

// BlackHole takes what is sent that way and loses it, until Heal: no end of a
// stream is passed on either, so that each side must find out by itself. New
// connections are accepted and fare no better. Heal resets what lost bytes,
// as whoever no longer knows a connection does.
func (p *Proxy) BlackHole(w Way) {
	p.change(func() { p.each(w, func(l *link) { l.lost = true }) })
}

// Forget makes black holes of the present connections, for good, as a router
// that lost its memory does. New ones are welcome.
func (p *Proxy) Forget() {
	for _, c := range p.all() {
		c.doom(Both)
	}
}

// HalfOpen resets one side of each present connection and leaves the other one
// talking to nobody: Up resets the target's side, Down the clients'.
func (p *Proxy) HalfOpen(w Way) {
	for _, c := range p.all() {
		c.doom(Both)
		if w&Up != 0 {
			hangUp(c.target)
		}
		if w&Down != 0 {
			hangUp(c.client)
		}
	}
}

// Throttle limits each connection that way to so many bytes per second, from
// now on.
func (p *Proxy) Throttle(w Way, bytesPerSecond int) {
	p.change(func() { p.each(w, func(l *link) { l.rate = bytesPerSecond }) })
}

// Lose has each segment get lost with a probability of share below 1, both
// ways, from now on: it comes late, as TCP sends it again after 200 ms, and after
// twice that each further time. What is behind it waits.
func (p *Proxy) Lose(share float64, seed uint64) {
	p.change(func() { p.loss = loss{share: share, rng: rand.New(rand.NewPCG(seed, 0))} }) //nolint:gosec // reproducible by intent
}

// Slice hands bytes on in segments of n at most, from now on.
func (p *Proxy) Slice(n int) { p.change(func() { p.slice = n }) }

// Heal ends Cut, Partition, Hold, BlackHole, Throttle, Lose, Slice, Delay and
// DropAfter.
func (p *Proxy) Heal() {
	var lossy bool
	p.change(func() {
		lossy = p.links[0].lost || p.links[1].lost
		p.cut, p.links, p.loss, p.delay, p.slice, p.budget = false, [2]link{}, loss{}, 0, 0, -1
	})
	if !lossy {
		return
	}
	for _, c := range p.all() {
		if c.isDoomed(Both) {
			c.reset()
		}
	}
}

// Delay holds every byte back for d, in both directions, from now on.
func (p *Proxy) Delay(d time.Duration) { p.change(func() { p.delay = d }) }

// DropAfter resets the connection that carries the n-th byte from now on from
// a client to the target, right after that byte: in the middle of whatever it
// was saying. It happens once.
func (p *Proxy) DropAfter(n int) { p.change(func() { p.budget = n }) }

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

// Left is the number of clients so far that ended their connection, or whose
// end was heard of: it grows at the instant, whatever the target knows.
func (p *Proxy) Left() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.left
}

// Present is the number of clients whose connection is open now.
func (p *Proxy) Present() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.opened - p.left
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

func (p *Proxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	close(p.changed)
	p.changed = make(chan struct{})
}

// each applies f to the links of w. Callers hold mu.
func (p *Proxy) each(w Way, f func(*link)) {
	for i := range p.links {
		if w&(Up<<i) != 0 {
			f(&p.links[i])
		}
	}
}

// link returns the state of one way, and what is closed once it changes.
func (p *Proxy) link(w Way) (link, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.links[w-Up], p.changed
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
