package cell

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/topic"
	"github.com/linshao/linshao/simulators/mqttdial"
)

// Feed is an edge that sends what it is told and remembers which of it had a
// Receipt. One goroutine uses it.
type Feed struct {
	// Patience bounds the wait for Receipts.
	Patience time.Duration
	link     *mqttdial.Link
	name     topic.Uplink
	epoch    string
	session  string
	next     map[envelope.Log]envelope.Sequence
	receipts chan envelope.Receipt
	// waiting are Envelopes without a Receipt, in the order of their sending;
	// stored are those with one.
	waiting, stored []envelope.Envelope
}

// NewFeed returns an edge with an epoch of its own.
func NewFeed() *Feed {
	return &Feed{
		Patience: answerWithin, name: topic.Uplink{Estate: Estate, Edge: Edge}, epoch: string(ticket.NewID(time.Now())),
		next: map[envelope.Log]envelope.Sequence{}, receipts: make(chan envelope.Receipt, 1024),
	}
}

// Copy returns an edge that knows what f knows, without a connection.
func (f *Feed) Copy() *Feed {
	c := *f
	c.link, c.receipts = nil, make(chan envelope.Receipt, cap(f.receipts))
	c.next, c.waiting, c.stored = maps.Clone(f.next), slices.Clone(f.waiting), slices.Clone(f.stored)
	return &c
}

// Connect opens a connection to a collector and says hello.
func (f *Feed) Connect(ctx context.Context, c *Cloud) error {
	link, err := mqttdial.Open(ctx, mqttdial.Options{
		URL: "tcp://" + c.MQTT, ClientID: Estate + "." + Edge, Username: c.user, Password: c.secret,
		WillTopic: f.name.Status(), KeepAlive: 5 * time.Second,
	})
	if err != nil {
		return err
	}
	f.link = link
	previous := f.session
	f.session = string(ticket.NewID(time.Now()))
	hello, err := envelope.EncodeHello(envelope.Hello{
		Schema: envelope.SchemaVersion, Estate: Estate, Edge: Edge, Version: "cell", Epoch: f.epoch,
		Session: f.session, Previous: previous, Boot: f.epoch, EdgeMS: time.Now().UnixMilli(), ClockTrusted: true,
		Devices: devices(),
	})
	if err != nil {
		return err
	}
	for _, t := range []mqtt.Token{
		link.Subscribe(f.name.Receipt(), 1, f.hear), link.Publish(f.name.Hello(), 1, false, hello),
	} {
		if err := mqttdial.Await(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// Meters are the devices that Numbered may speak of.
func Meters() []string { return []string{"meter-1", "meter-2", "meter-3", "meter-4"} }

func devices() (out []envelope.Device) {
	for _, m := range Meters() {
		out = append(out, envelope.Device{ID: m, Kind: "meter", Profile: "meter", Points: []envelope.Point{{Metric: "count"}}})
	}
	return out
}

// Close drops the connection.
func (f *Feed) Close() {
	if f.link != nil {
		f.link.Cut()
		f.link.Close()
		f.link = nil
	}
}

func (f *Feed) hear(_ mqtt.Client, m mqtt.Message) {
	if r, err := envelope.DecodeReceipt(m.Payload()); err == nil {
		f.receipts <- r
	}
}

// Send sends one Envelope of each content and waits until nothing waits for a
// Receipt. It returns how many Receipts it saw that say stored. What has none
// is sent again by Resend only.
func (f *Feed) Send(ctx context.Context, contents ...envelope.Record) (stored int, err error) {
	first := len(f.waiting)
	for _, r := range contents {
		log, lane := envelope.Samples, envelope.LaneLive
		if len(r.Transitions) > 0 {
			log, lane = envelope.Alarm, envelope.LaneAlarm
		}
		f.next[log]++
		r.Origin = telemetry.Origin{Boot: f.epoch, EdgeMS: time.Now().UnixMilli(), ClockTrusted: true}
		f.waiting = append(f.waiting, envelope.Envelope{
			Schema: envelope.SchemaVersion, Estate: Estate, Edge: Edge, Epoch: f.epoch, Log: log, Lane: lane, Head: f.next[log],
			Sequences: []envelope.Range{{First: f.next[log], Last: f.next[log]}}, Record: r,
		})
	}
	return f.publish(ctx, f.waiting[first:])
}

// Resend sends everything again that waits for a Receipt, and waits for them.
func (f *Feed) Resend(ctx context.Context) (stored int, err error) { return f.publish(ctx, f.waiting) }

// Stored are the Envelopes that had a Receipt.
func (f *Feed) Stored() []envelope.Envelope { return f.stored }

// Waiting is how many Envelopes had no Receipt yet.
func (f *Feed) Waiting() int { return len(f.waiting) }

func (f *Feed) publish(ctx context.Context, es []envelope.Envelope) (stored int, err error) {
	for _, e := range es {
		b, err := envelope.Encode(e)
		if err != nil {
			return 0, err
		}
		f.link.Publish(f.name.Up(string(e.Lane)), 1, false, b)
	}
	limit := time.NewTimer(f.Patience)
	defer limit.Stop()
	for len(f.waiting) > 0 {
		select {
		case r := <-f.receipts:
			stored += f.settle(r)
		case <-f.link.Lost:
			return stored, fmt.Errorf("connection lost after %d Receipts", stored)
		case <-limit.C:
			return stored, fmt.Errorf("%w for %d Envelopes", ErrHung, len(f.waiting))
		case <-ctx.Done():
			return stored, ctx.Err()
		}
	}
	return stored, nil
}

// settle takes what a Receipt covers out of what waits and returns how many
// were stored.
func (f *Feed) settle(r envelope.Receipt) (stored int) {
	covered := envelope.RangeSet(nil).AddAll(r.Sequences)
	var rest []envelope.Envelope
	for _, e := range f.waiting {
		switch {
		case e.Epoch != r.Epoch || e.Log != r.Log || !covered.ContainsAll(e.Sequences):
			rest = append(rest, e)
		case r.Verdict == envelope.Stored:
			stored++
			f.stored = append(f.stored, e)
		}
	}
	f.waiting = rest
	return stored
}
