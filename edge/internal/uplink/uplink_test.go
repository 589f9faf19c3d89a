package uplink_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/uplink"
	"github.com/linshao/linshao/edge/internal/vfs"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/kit/mqttbroker"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// cloud is a broker that answers as told and writes down what it was sent.
type cloud struct {
	t      *testing.T
	broker *mqttbroker.Broker

	mu     sync.Mutex
	heard  []envelope.Envelope
	hellos []envelope.Hello
	// said are the payloads of the status topic, wills included.
	said []string
	// answer decides about each Envelope, given how many came before it:
	// nil gives no Receipt.
	answer func(n int, e envelope.Envelope) *envelope.Receipt
	refuse bool
	// old: it knows no topic of welcomes.
	old bool
	// welcome is what a hello is answered with but for its session; nil: an
	// old cloud answers nothing.
	welcome *envelope.Welcome
	more    chan struct{}
}

var edge = topic.Uplink{Estate: "sunrise", Edge: "e1"}

func stored(_ int, e envelope.Envelope) *envelope.Receipt {
	r := &envelope.Receipt{Epoch: e.Epoch, Log: e.Log, Sequences: e.Sequences, Verdict: envelope.Stored, CloudMS: 1}
	for _, g := range e.Missing {
		r.Sequences = append(r.Sequences, g.Range)
	}
	return r
}

func newCloud(t *testing.T, answer func(int, envelope.Envelope) *envelope.Receipt) *cloud {
	t.Helper()
	c := &cloud{t: t, answer: answer, welcome: &envelope.Welcome{Schema: 1, CloudMS: 1}, more: make(chan struct{}, 1024)}
	b, err := mqttbroker.New(mqttbroker.Options{
		Listen: []mqttbroker.Listen{{Address: "127.0.0.1:0"}}, Authenticator: c, Authorizer: c, Receiver: c,
		Limits: mqttbroker.EdgeLimits(), Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.broker = b
	t.Cleanup(func() {
		if err := b.Stop(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return c
}

func (c *cloud) Authenticate(_ context.Context, cr mqttbroker.Credentials) (mqttbroker.Identity, error) {
	if string(cr.Password) != "secret" {
		return "", errors.New("wrong password")
	}
	return mqttbroker.Identity(cr.User), nil
}
func (c *cloud) MayPublish(mqttbroker.Identity, string) bool { return true }
func (c *cloud) MayRead(_ mqttbroker.Identity, name string) bool {
	return !c.old || name != edge.Welcome()
}

func (c *cloud) Publish(_ context.Context, m mqttbroker.Message, ack func(error)) {
	_, leaf, err := topic.ParseUplink(m.Topic)
	if err != nil {
		ack(err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	defer func() { c.more <- struct{}{} }()
	switch leaf {
	case topic.UpHello:
		h, err := envelope.DecodeHello(m.Payload)
		c.hellos = append(c.hellos, h)
		if c.refuse {
			err = errors.New("refused")
		}
		c.greet(h)
		ack(err)
		return
	case topic.Status:
		c.said = append(c.said, string(m.Payload))
		ack(nil)
		return
	}
	e, err := envelope.Decode(m.Payload)
	ack(err)
	if err != nil {
		c.t.Error(err)
		return
	}
	r := c.answer(len(c.heard), e)
	c.heard = append(c.heard, e)
	if r == nil {
		return
	}
	b, err := envelope.EncodeReceipt(*r)
	if err != nil {
		c.t.Error(err)
	}
	if err := c.broker.Publish(edge.Receipt(), b, 1, false); err != nil {
		c.t.Error(err)
	}
}

func (c *cloud) greet(h envelope.Hello) {
	if c.welcome == nil {
		return
	}
	w := *c.welcome
	w.Session = h.Session
	b, err := envelope.EncodeWelcome(w)
	if err == nil {
		err = c.broker.Publish(edge.Welcome(), b, 1, false)
	}
	if err != nil {
		c.t.Error(err)
	}
}

// until waits for cond, looking after every message; the deadline of the test
// ends a story that never comes true.
func (c *cloud) until(cond func() bool) {
	c.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		c.mu.Lock()
		ok := cond()
		c.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-c.more:
		case <-tick.C:
		case <-c.t.Context().Done():
			c.t.Fatal("it never came")
		}
	}
}

type measurement struct {
	sent, got time.Duration
	cloudMS   int64
}

// rig is an edge's memory and its uplink.
type rig struct {
	outbox *outbox.Outbox
	uplink *uplink.Uplink
	down   chan []ticket.Transition
	// measured has room for the newest measurement.
	measured chan measurement
}

func (r *rig) Transitions(_ context.Context, ts []ticket.Transition) error {
	r.down <- ts
	return nil
}
func (r *rig) Command(context.Context, envelope.Command) {}
func (r *rig) Measured(sent, got time.Duration, cloudMS int64) {
	select {
	case r.measured <- measurement{sent, got, cloudMS}:
	default:
	}
}

func newRig(t *testing.T, c *cloud, change func(*uplink.Options)) *rig {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	box, err := outbox.Open(vfs.NewMem(), "outbox", outbox.Options{Clock: clock.NewSystem(), Log: log, MinFree: -1, ReserveBytes: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	r := &rig{outbox: box, down: make(chan []ticket.Transition, 8), measured: make(chan measurement, 1)}
	o := uplink.Options{
		URL: "tcp://" + c.broker.Addr(0).String(), Username: "sunrise/e1", Password: "secret", Estate: edge.Estate, Edge: edge.Edge,
		Version: "test", Boot: "b", Trusted: func() bool { return true }, Source: box, Downlink: r, Clock: clock.NewSystem(), Log: log,
		Resend: 300 * time.Millisecond, Backoff: [2]time.Duration{time.Millisecond, 20 * time.Millisecond},
	}
	if change != nil {
		change(&o)
	}
	r.uplink = uplink.New(o)
	return r
}

// run keeps the uplink going until the test ends or stop is called.
func (r *rig) run(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.uplink.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func (r *rig) samples(t *testing.T, from, n int) {
	t.Helper()
	for i := range n {
		s := telemetry.Sample{Key: telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "speed"}, AtMS: int64(from + i), EdgeMS: int64(from + i), Value: float64(from + i)}
		if err := r.outbox.Append(t.Context(), nil, []envelope.Record{{Samples: []telemetry.Sample{s}}}); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *rig) alarm(t *testing.T, id string) {
	t.Helper()
	x := ticket.Transition{ID: id, Ticket: "t", Kind: ticket.Raise, Subject: &ticket.Subject{Estate: "sunrise", Fault: ticket.Entrapment}}
	if err := r.outbox.Append(t.Context(), []envelope.Record{{Transitions: []ticket.Transition{x}}}, nil); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) empty() bool {
	st := r.outbox.Stats()
	return st.Alarm.Records == 0 && st.Samples.Records == 0
}

// values returns every value that the cloud was sent, sorted, each once.
func (c *cloud) values() []float64 {
	var out []float64
	for _, e := range c.heard {
		for _, s := range e.Samples {
			out = append(out, s.Value)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func TestEverythingArrivesAndIsSettled(t *testing.T) {
	c := newCloud(t, stored)
	r := newRig(t, c, nil)
	r.samples(t, 0, 50)
	r.run(t)
	r.samples(t, 50, 50)
	r.alarm(t, "a1")
	c.until(func() bool { return len(c.values()) == 100 && r.empty() })
	if h := c.hellos[0]; h.Estate != "sunrise" || h.Session == "" || h.Epoch != r.outbox.Epoch() || len(h.Heads) != 2 {
		t.Errorf("hello %+v", h)
	}
	if !r.uplink.Connected() {
		t.Error("not connected")
	}
	if m := <-r.measured; m.cloudMS != 1 || m.got < m.sent {
		t.Errorf("measured %+v", m)
	}
}

func TestAlarmsOvertakeABacklog(t *testing.T) {
	c := newCloud(t, stored)
	r := newRig(t, c, nil)
	r.samples(t, 0, 300)
	r.alarm(t, "a1")
	r.run(t)
	c.until(func() bool { return r.empty() })
	if c.heard[0].Lane != envelope.LaneAlarm {
		t.Errorf("the first envelope is of lane %s", c.heard[0].Lane)
	}
}

// A PUBACK is not a Receipt: without one nothing is forgotten, and it is sent
// again.
func TestLostReceipts(t *testing.T) {
	c := newCloud(t, func(n int, e envelope.Envelope) *envelope.Receipt {
		if n < 4 {
			return nil
		}
		return stored(n, e)
	})
	r := newRig(t, c, nil)
	r.samples(t, 0, 3)
	r.run(t)
	c.until(func() bool { return len(c.heard) == 2 })
	if r.empty() {
		t.Error("settled without a receipt")
	}
	c.until(func() bool { return r.empty() })
}

func TestAReceiptForSomethingElseSettlesNothing(t *testing.T) {
	c := newCloud(t, func(_ int, e envelope.Envelope) *envelope.Receipt {
		r := stored(0, e)
		r.Epoch = "01935b70-0000-7000-8000-000000000000"
		return r
	})
	r := newRig(t, c, nil)
	r.samples(t, 0, 3)
	r.run(t)
	c.until(func() bool { return len(c.heard) >= 2 })
	if r.empty() {
		t.Error("settled by a receipt of another epoch")
	}
}

func TestWhatTheCloudRejectsIsSettled(t *testing.T) {
	c := newCloud(t, func(n int, e envelope.Envelope) *envelope.Receipt {
		r := stored(n, e)
		r.Verdict, r.Reason = envelope.Rejected, "unknown_estate"
		return r
	})
	r := newRig(t, c, nil)
	r.samples(t, 0, 3)
	r.run(t)
	c.until(r.empty)
}

// The cloud goes away in the middle; another connection goes on from where
// the Receipts ended, under a session that names its predecessor.
func TestACutHeals(t *testing.T) {
	c := newCloud(t, stored)
	r := newRig(t, c, nil)
	r.run(t)
	r.samples(t, 0, 10)
	c.until(r.empty)
	c.broker.Disconnect("sunrise/e1")
	r.samples(t, 10, 10)
	c.until(func() bool { return len(c.hellos) >= 2 && r.empty() })
	if got := len(c.values()); got != 20 {
		t.Errorf("%d samples arrived, want 20", got)
	}
	if a, b := c.hellos[0], c.hellos[len(c.hellos)-1]; b.Previous == "" || b.Session == a.Session {
		t.Errorf("sessions %s, then %s after %s", a.Session, b.Session, b.Previous)
	}
}

// A hello that is refused ends the connection before anything is sent, and is
// said again under the same session: it was never in use.
func TestARefusedHello(t *testing.T) {
	c := newCloud(t, stored)
	c.refuse = true
	r := newRig(t, c, nil)
	r.samples(t, 0, 3)
	r.run(t)
	c.until(func() bool { return len(c.hellos) >= 2 })
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.heard) != 0 || c.hellos[0].Session != c.hellos[1].Session {
		t.Errorf("%d envelopes sent, sessions %s and %s", len(c.heard), c.hellos[0].Session, c.hellos[1].Session)
	}
}

func TestTransitionsComeDown(t *testing.T) {
	c := newCloud(t, stored)
	r := newRig(t, c, nil)
	r.run(t)
	c.until(func() bool { return r.uplink.Connected() })
	b, err := envelope.EncodeTransitions([]ticket.Transition{{ID: "x", Ticket: "t", Kind: ticket.Accept}})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.broker.Publish(edge.Transition(), b, 1, false); err != nil {
		t.Fatal(err)
	}
	if got := <-r.down; len(got) != 1 || got[0].ID != "x" {
		t.Errorf("got %+v", got)
	}
}

// Nobody answers at all: the uplink goes on trying, and stops when told.
func TestNobodyThere(t *testing.T) {
	c := newCloud(t, stored)
	tries := make(chan struct{}, 100)
	r := newRig(t, c, func(o *uplink.Options) {
		o.Dial = func(context.Context, string) (net.Conn, error) {
			tries <- struct{}{}
			return nil, errors.New("no route")
		}
	})
	stop := r.run(t)
	for range 3 {
		<-tries
	}
	stop()
	if r.uplink.Connected() {
		t.Error("connected to nobody")
	}
}
