package fleet

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/topic"
	"github.com/linshao/linshao/simulators/mqttdial"
)

// maxSamples keeps an Envelope within what the collector takes.
const maxSamples = limit.MaxEnvelopeSamples

// edge is one simulated edge; only its own goroutine uses it.
type edge struct {
	o      Options
	cred   Credential
	topic  topic.Uplink
	count  *counters
	rng    *rand.Rand
	values []float64
	// owed carries the fraction of a sample from one Envelope to the next.
	owed     float64
	epoch    string
	boot     string
	began    time.Time
	session  string
	previous string
	next     envelope.Sequence
	past     past
	// up is when the fleet began to come back.
	up time.Time
	// waiting are the unsettled Envelopes, oldest first.
	waiting  []*sent
	receipts chan envelope.Receipt
}

// sent is an Envelope on its way.
type sent struct {
	lane    envelope.Lane
	log     envelope.Log
	seq     envelope.Sequence
	bytes   []byte
	samples int
	at      time.Time
}

func newEdge(o Options, cred Credential, i int, c *counters) *edge {
	now := time.Now()
	e := &edge{
		o: o, cred: cred, topic: topic.Uplink{Estate: cred.Estate, Edge: cred.Edge}, count: c,
		rng: rand.New(rand.NewPCG(o.Seed, uint64(i))), values: make([]float64, o.Devices),
		epoch: string(ticket.NewID(now)), boot: string(ticket.NewID(now)), began: now,
		receipts: make(chan envelope.Receipt, 2*limit.MaxWindow), past: newPast(o), up: now,
	}
	e.next = envelope.Sequence(e.past.chunks) //nolint:gosec // a count
	for d := range e.values {
		e.values[d] = 20 + 10*e.rng.Float64()
	}
	return e
}

// run loads until load ends, then waits for Receipts until whole does.
func (e *edge) run(load, whole context.Context) error {
	beat := time.NewTicker(e.o.Every)
	defer beat.Stop()
	for whole.Err() == nil {
		err := e.connection(load, whole, beat.C)
		if err == nil {
			return nil
		}
		if whole.Err() != nil {
			break
		}
		e.count.broken.Add(1)
		e.o.Log.Debug("edge lost its collector", "edge", e.cred.Edge, "err", err)
		if !pause(whole, 500*time.Millisecond+rand.N(500*time.Millisecond)) {
			break
		}
	}
	return nil
}

func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// connection lives through one connection; nil means that the work is done.
func (e *edge) connection(load, whole context.Context, beat <-chan time.Time) error {
	k, err := mqttdial.Open(whole, mqttdial.Options{
		URL: e.o.URL, ClientID: e.cred.Estate + "." + e.cred.Edge, Username: e.cred.Username, Password: e.cred.Password,
		WillTopic: e.topic.Status(), KeepAlive: 3 * time.Second,
	})
	if err != nil {
		return err
	}
	defer k.Close()
	if err := e.introduce(whole, k); err != nil {
		return err
	}
	e.count.online.Add(1)
	defer e.count.online.Add(-1)
	for _, s := range e.waiting {
		k.Publish(e.topic.Up(string(s.lane)), 1, false, s.bytes)
		e.count.resent.Add(1)
	}
	out := func(s *sent) { e.publish(k, s) }
	working := load.Done()
	for {
		if err := e.onward(out); err != nil {
			return err
		}
		if working == nil && len(e.waiting) == 0 {
			k.Publish(e.topic.Status(), 1, true, "offline").WaitTimeout(time.Second)
			return nil
		}
		select {
		case <-whole.Done():
			return whole.Err()
		case <-k.Lost:
			return errors.New("connection lost")
		case <-working:
			working, beat = nil, nil
		case now := <-beat:
			if err := e.send(now, out); err != nil {
				return err
			}
		case r := <-e.receipts:
			e.settle(r, time.Now())
		}
	}
}

// introduce subscribes, says online and opens with a hello (P-5.2).
func (e *edge) introduce(ctx context.Context, k *mqttdial.Link) error {
	now := time.Now()
	e.previous, e.session = e.session, string(ticket.NewID(now))
	hello, err := envelope.EncodeHello(e.hello(now))
	if err != nil {
		return fmt.Errorf("encode hello: %w", err)
	}
	for _, t := range []mqtt.Token{
		k.Subscribe(e.topic.Receipt(), 1, e.hear),
		k.Publish(e.topic.Status(), 1, true, "online"),
		k.Publish(e.topic.Hello(), 1, false, hello),
	} {
		if err := mqttdial.Await(ctx, t); err != nil {
			return fmt.Errorf("introduce edge: %w", err)
		}
	}
	return nil
}

func (e *edge) hello(now time.Time) envelope.Hello {
	h := envelope.Hello{
		Schema: envelope.SchemaVersion, Estate: e.cred.Estate, Edge: e.cred.Edge, Version: "fleet",
		Epoch: e.epoch, Session: e.session, Previous: e.previous, Boot: e.boot,
		EdgeMS: now.UnixMilli(), ClockTrusted: true,
		Heads: []envelope.LogHead{
			{Log: envelope.Samples, Head: e.next, Oldest: e.oldest()},
			{Log: envelope.Alarm, Head: envelope.Sequence(e.past.alarms), Oldest: envelope.Sequence(e.past.settledAlarms) + 1}, //nolint:gosec // counts
		},
	}
	for d := range e.o.Devices {
		h.Devices = append(h.Devices, envelope.Device{
			ID: e.device(d), Kind: "meter", Profile: "meter", Points: []envelope.Point{{Metric: "temperature", Unit: "°C"}},
		})
	}
	return h
}

func (e *edge) oldest() envelope.Sequence {
	oldest := e.next + 1
	if e.past.sentChunks < e.past.chunks {
		oldest = envelope.Sequence(e.past.sentChunks) + 1 //nolint:gosec // a count
	}
	for _, s := range e.waiting {
		if s.log == envelope.Samples {
			oldest = min(oldest, s.seq)
		}
	}
	return oldest
}

func (e *edge) device(d int) string { return fmt.Sprintf("meter-%d", d+1) }

// hear runs in paho's goroutine and only enqueues. A Receipt that finds the
// queue full is lost; the Envelope is sent again on the next connection.
func (e *edge) hear(_ mqtt.Client, m mqtt.Message) {
	r, err := envelope.DecodeReceipt(m.Payload())
	if err != nil {
		e.count.nonsense.Add(1)
		return
	}
	select {
	case e.receipts <- r:
	default:
		e.count.nonsense.Add(1)
	}
}

// send makes and publishes the next Envelope, unless the window is full.
func (e *edge) send(now time.Time, publish func(*sent)) error {
	if len(e.waiting) >= limit.MaxWindow {
		e.count.held.Add(1)
		return nil
	}
	samples := e.measure(now.UnixMilli())
	if len(samples) == 0 {
		return nil
	}
	e.next++
	s, err := e.wrap(envelope.LaneLive, e.next, e.next, envelope.Record{
		Origin: telemetry.Origin{
			Boot: e.boot, MonoMS: now.Sub(e.began).Milliseconds(), EdgeMS: now.UnixMilli(), ClockTrusted: true,
		},
		Samples: samples,
	})
	if err != nil {
		return err
	}
	publish(s)
	return nil
}

// publish sends an Envelope for the first time.
func (e *edge) publish(k *mqttdial.Link, s *sent) {
	e.waiting = append(e.waiting, s)
	e.count.envelopes.Add(1)
	e.count.samples.Add(uint64(s.samples)) //nolint:gosec // a count
	e.count.bytes.Add(uint64(len(s.bytes)))
	k.Publish(e.topic.Up(string(s.lane)), 1, false, s.bytes)
}

// measure makes the samples since the last Envelope: a random walk per device,
// spread evenly over the time.
func (e *edge) measure(nowMS int64) []telemetry.Sample {
	e.owed += e.o.Rate * e.o.Every.Seconds()
	each := int(e.owed)
	e.owed -= float64(each)
	return e.walk(nowMS, e.o.Every.Milliseconds(), each)
}

// walk makes each Samples of every device, spread over the span before end.
func (e *edge) walk(end, span int64, each int) []telemetry.Sample {
	out := make([]telemetry.Sample, 0, each*e.o.Devices)
	for d := range e.o.Devices {
		for i := range each {
			e.values[d] += (e.rng.Float64() - 0.5) / 5
			at := end - span + span*int64(i+1)/int64(each)
			out = append(out, telemetry.Sample{
				Key:  telemetry.SeriesKey{Device: e.device(d), Kind: "meter", Metric: "temperature"},
				AtMS: at, DeviceMS: at, EdgeMS: end, Value: math.Round(e.values[d]*10) / 10,
			})
		}
	}
	return out
}

// settle forgets what a Receipt covers.
func (e *edge) settle(r envelope.Receipt, now time.Time) {
	e.count.receipts.Add(1)
	if r.Epoch != e.epoch {
		e.count.nonsense.Add(1)
		return
	}
	still := e.waiting[:0]
	for _, s := range e.waiting {
		switch {
		case s.log != r.Log || !covers(r.Sequences, s.seq):
			still = append(still, s)
		case r.Verdict == envelope.Stored:
			e.count.settled.Add(uint64(s.samples))
			e.count.delays.add(now.Sub(s.at))
			e.arrived(s, now)
		default:
			e.count.rejected.Add(uint64(s.samples))
			e.arrived(s, now)
		}
	}
	e.waiting = still
}

func covers(rs []envelope.Range, s envelope.Sequence) bool {
	for _, r := range rs {
		if r.First <= s && s <= r.Last {
			return true
		}
	}
	return false
}
