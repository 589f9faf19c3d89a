package netfault

import (
	"io"
	"net"
	"sync"
	"time"
)

const (
	// inFlight bounds the chunks that a delay holds back in one direction;
	// beyond it the sender feels back-pressure.
	inFlight = 256
	// mouthful is the most that is read at once; a throttled way reads what
	// it carries in breath.
	mouthful = 32 << 10
	breath   = 50 * time.Millisecond
)

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
		refuse := p.closed || p.cut
		if !refuse {
			p.wg.Go(func() { p.join(client) })
		}
		p.mu.Unlock()
		if refuse {
			hangUp(client)
		}
	}
}

// join connects a client to the target and lets both talk until both are done.
func (p *Proxy) join(client *net.TCPConn) {
	conn, err := p.dial()
	if err != nil {
		_ = client.Close()
		return
	}
	c := &pair{client: client, target: conn.(*net.TCPConn), done: make(chan struct{})}
	p.mu.Lock()
	refuse := p.closed || p.cut
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
	wg.Go(func() { p.carry(c, Up) })
	wg.Go(func() { p.carry(c, Down) })
	wg.Wait()
	c.reset()
	p.mu.Lock()
	delete(p.pairs, c)
	p.mu.Unlock()
}

// carry moves bytes one way. Reading and writing are apart, so that a delay is
// a latency and not a throttle.
func (p *Proxy) carry(c *pair, w Way) {
	held := make(chan chunk, inFlight)
	var wg sync.WaitGroup
	wg.Go(func() { p.deliver(c, held, w) })
	defer wg.Wait()
	defer close(held)
	from, _ := c.ends(w)
	for {
		l, _ := p.link(w)
		buf := make([]byte, l.mouthful())
		n, err := from.Read(buf)
		if n > 0 {
			select {
			case held <- p.hold(buf[:n]):
			case <-c.done:
				err = net.ErrClosed
			}
		}
		if err != nil {
			if w == Up {
				p.leave()
			}
			return
		}
		if l.rate > 0 {
			p.rest(c, time.Duration(n)*time.Second/time.Duration(l.rate))
		}
	}
}

func (l link) mouthful() int {
	if l.rate <= 0 {
		return mouthful
	}
	return max(1, min(mouthful, int(int64(l.rate)*int64(breath)/int64(time.Second))))
}

// rest waits for d, or until the pair ends.
func (p *Proxy) rest(c *pair, d time.Duration) {
	select {
	case <-p.after(d):
	case <-c.done:
	}
}

func (p *Proxy) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.left++
}

func (p *Proxy) hold(b []byte) chunk {
	p.mu.Lock()
	defer p.mu.Unlock()
	d := p.delay + p.loss.late()
	if d == 0 {
		return chunk{bytes: b}
	}
	return chunk{bytes: b, due: p.after(d)}
}

// deliver writes what is held once it may pass, then passes on the end of the
// stream, so that half-open connections stay half open.
func (p *Proxy) deliver(c *pair, held <-chan chunk, w Way) {
	_, to := c.ends(w)
	for k := range held {
		if !p.mayPass(c, k.due, w) {
			continue
		}
		bytes, last := k.bytes, false
		if w == Up {
			bytes, last = p.spend(k.bytes)
		}
		if err := p.write(to, bytes); err != nil && !c.isDoomed(w) || last {
			c.reset()
		}
	}
	if p.mayPass(c, nil, w) {
		_ = to.CloseWrite() // the other side may be gone already
	}
}

// write passes bytes on, in slices if so asked.
func (p *Proxy) write(to io.Writer, b []byte) error {
	for len(b) > 0 {
		p.mu.Lock()
		n := p.slice
		p.mu.Unlock()
		if n <= 0 || n > len(b) {
			n = len(b)
		}
		if _, err := to.Write(b[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// mayPass waits until due and for fair weather; false means that the bytes
// are lost, or that the pair has ended meanwhile.
func (p *Proxy) mayPass(c *pair, due <-chan time.Time, w Way) bool {
	if due != nil {
		select {
		case <-due:
		case <-c.done:
			return false
		}
	}
	for {
		l, changed := p.link(w)
		if l.lost {
			c.doom(w)
		}
		if c.isDoomed(w) {
			return false
		}
		if !l.held {
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
