package netfault

import (
	"net"
	"sync"
	"time"
)

// inFlight bounds the chunks that a delay holds back in one direction; beyond
// it the sender feels back-pressure.
const inFlight = 256

// chunk is some bytes and when they may go on.
type chunk struct {
	bytes []byte
	due   <-chan time.Time // nil: at once
}

func (p *Proxy) accept() {
	for {
		conn, err := p.ln.Accept()
		if err != nil {
			return
		}
		client := conn.(*net.TCPConn) // ln is a TCP listener
		p.mu.Lock()
		refuse := p.closed || p.weather == cut
		if !refuse {
			p.wg.Go(func() { p.join(client) })
		}
		p.mu.Unlock()
		if refuse {
			_ = client.SetLinger(0)
			_ = client.Close()
		}
	}
}

// join connects a client to the target and lets both talk until one ends.
func (p *Proxy) join(client *net.TCPConn) {
	conn, err := net.DialTimeout("tcp", p.target, 5*time.Second)
	if err != nil {
		_ = client.Close()
		return
	}
	c := &pair{client: client, target: conn.(*net.TCPConn), done: make(chan struct{})}
	p.mu.Lock()
	refuse := p.closed || p.weather == cut
	if !refuse {
		p.pairs[c] = struct{}{}
		p.opened++
	}
	p.mu.Unlock()
	if refuse {
		c.reset()
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { p.carry(c, c.client, c.target, true) })
	wg.Go(func() { p.carry(c, c.target, c.client, false) })
	wg.Wait()
	c.reset()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// carry moves bytes one way. Reading and writing are apart, so that a delay is
// a latency and not a throttle.
func (p *Proxy) carry(c *pair, from, to *net.TCPConn, counted bool) {
	held := make(chan chunk, inFlight)
	var wg sync.WaitGroup
	wg.Go(func() { p.deliver(c, held, to, counted) })
	defer wg.Wait()
	defer close(held)
	for {
		buf := make([]byte, 32<<10)
		n, err := from.Read(buf)
		if n > 0 {
			select {
			case held <- p.hold(buf[:n]):
			case <-c.done:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (p *Proxy) hold(b []byte) chunk {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.delay == 0 {
		return chunk{bytes: b}
	}
	return chunk{bytes: b, due: p.after(p.delay)}
}

// deliver writes what is held once it may pass, then passes on the end of the
// stream, so that half-open connections stay half open.
func (p *Proxy) deliver(c *pair, held <-chan chunk, to *net.TCPConn, counted bool) {
	for k := range held {
		if !p.mayPass(c, k) {
			continue
		}
		bytes, last := k.bytes, false
		if counted {
			bytes, last = p.spend(k.bytes)
		}
		if _, err := to.Write(bytes); err != nil || last {
			c.reset()
		}
	}
	_ = to.CloseWrite() // the other side may be gone already
}

// mayPass waits for the chunk's time and for fair weather; false means that
// the pair has ended meanwhile.
func (p *Proxy) mayPass(c *pair, k chunk) bool {
	if k.due != nil {
		select {
		case <-k.due:
		case <-c.done:
			return false
		}
	}
	for {
		p.mu.Lock()
		held, changed := p.weather == partitioned, p.changed
		p.mu.Unlock()
		if !held {
			return true
		}
		select {
		case <-changed:
		case <-c.done:
			return false
		}
	}
}

// spend takes from the byte budget; last reports that it is used up.
func (p *Proxy) spend(b []byte) (pass []byte, last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.budget < 0 {
		return b, false
	}
	if len(b) < p.budget {
		p.budget -= len(b)
		return b, false
	}
	b = b[:p.budget]
	p.budget = -1
	return b, true
}
