package cell

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/topic"
	"github.com/linshao/linshao/simulators/broker"
)

// Collector is the cloud as an edge sees it, keeping everything in a Ledger.
type Collector struct {
	b *broker.Broker

	mu     sync.Mutex // guards the following
	held   *Ledger
	silent bool
	// stored are Sequences that it has from an earlier life of the edge: as
	// the cloud's ledger does, it takes nothing of an Envelope that brings no
	// others.
	stored map[string]envelope.RangeSet
	hellos int
	bad    []string
	// heard is closed and replaced at each message.
	heard chan struct{}
}

// NewCollector starts one that ends with the test.
func NewCollector(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{held: NewLedger(), heard: make(chan struct{})}
	b, err := broker.Listen("127.0.0.1:0", broker.Script{Publish: c.take})
	if err != nil {
		t.Fatal(err)
	}
	c.b = b
	t.Cleanup(b.Close)
	return c
}

// URL is where an edge connects.
func (c *Collector) URL() string { return c.b.URL() }

// Restart forgets everything and cuts all connections. stored are Sequences,
// by epoch and log, that it shall have already.
func (c *Collector) Restart(stored map[string]envelope.RangeSet) {
	c.b.CutAll()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held, c.hellos, c.bad, c.stored = NewLedger(), 0, nil, stored
}

// Turn begins a new Ledger, keeps the connections and returns the old one.
func (c *Collector) Turn() *Ledger {
	c.mu.Lock()
	defer c.mu.Unlock()
	old := c.held
	c.held = NewLedger()
	return old
}

// Silence makes the Collector send no Receipts, and keep nothing either; told
// otherwise, it goes on, and edges that wait for Receipts are cut off, so that
// they send again.
func (c *Collector) Silence(silent bool) {
	c.mu.Lock()
	was := c.silent
	c.silent = silent
	c.mu.Unlock()
	if was && !silent {
		c.b.CutAll()
	}
}

// Held is the Ledger in use.
func (c *Collector) Held() *Ledger {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held
}

// Hellos is how many edges said hello since the last Restart, and heard is
// closed when anything more comes.
func (c *Collector) Hellos() (n int, heard <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hellos, c.heard
}

// Heard is closed when anything more comes.
func (c *Collector) Heard() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard
}

// Unreadable are messages that could not be decoded.
func (c *Collector) Unreadable() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.bad...)
}

// take runs in the connection's goroutine.
func (c *Collector) take(m broker.Message) broker.Verdict {
	name, leaf, err := topic.ParseUplink(m.Topic)
	if err != nil || !strings.HasPrefix(leaf, "up/") {
		return broker.Ack
	}
	if leaf == topic.UpHello {
		c.welcome(name, m.Payload)
		return broker.Ack
	}
	e, err := envelope.Decode(m.Payload)
	c.mu.Lock()
	silent := c.silent
	switch {
	case err != nil:
		c.bad = append(c.bad, err.Error())
	case !silent && !(len(e.Sequences) > 0 && c.stored[logOf(e.Epoch, e.Log)].ContainsAll(e.Sequences)):
		c.held.Take(e)
	}
	c.sayHeardLocked()
	c.mu.Unlock()
	if err == nil && !silent {
		c.receipt(name, e)
	}
	return broker.Ack
}

func (c *Collector) sayHeardLocked() {
	close(c.heard)
	c.heard = make(chan struct{})
}

func (c *Collector) receipt(to topic.Uplink, e envelope.Envelope) {
	ranges := e.Sequences
	for _, g := range e.Missing {
		ranges = append(ranges, g.Range)
	}
	b, err := envelope.EncodeReceipt(envelope.Receipt{
		Epoch: e.Epoch, Log: e.Log, Sequences: ranges, Verdict: envelope.Stored, CloudMS: time.Now().UnixMilli(),
	})
	if err != nil {
		panic(err) // what was decoded can be encoded
	}
	c.b.Send(to.Receipt(), b)
}

func (c *Collector) welcome(to topic.Uplink, payload []byte) {
	h, err := envelope.DecodeHello(payload)
	var b []byte
	if err == nil {
		b, err = envelope.EncodeWelcome(envelope.Welcome{Schema: envelope.SchemaVersion, Session: h.Session, CloudMS: time.Now().UnixMilli()})
	}
	c.mu.Lock()
	if err != nil {
		c.bad = append(c.bad, err.Error())
	}
	c.hellos++
	c.sayHeardLocked()
	c.mu.Unlock()
	if err == nil {
		c.b.Send(to.Welcome(), b)
	}
}
