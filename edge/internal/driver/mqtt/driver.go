// Package mqtt is the Driver for devices that publish by themselves: they sign
// in to the broker the edge embeds (kit/mqttbroker) and speak the native JSON
// dialect of [P-8].
//
// It guarantees, besides what package driver promises:
//
//   - A PUBACK for telemetry or an event is written only after Batch.Done(nil):
//     everything in the message is on disk [P-8.1]. Done(error) drops the
//     device's connection, so that it sends again.
//   - A device signs in as itself and uses its own topics only.
//   - A payload that nobody can read is acknowledged, counted and kept in the
//     Quarantine; it never stops the device's other messages [P-8.4].
//   - A full Sink holds back the devices that publish, nobody else.
//
// Codecs are pure and stand in files of their own; commands go down by Command,
// and their results come back through Options.Results.
package mqtt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/kit/mqttbroker"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/topic"
)

// Stats counts. Its methods must not block; package metrics has one.
type Stats interface {
	// Up tells that a device signed in or is gone.
	Up(device string, up bool)
	// Dropped counts what was not kept. reason is of a closed set.
	Dropped(reason string, n int)
}

// Options make a Driver; Results and Grace have defaults, Listen may be empty
// only in tests.
type Options struct {
	Listen []mqttbroker.Listen
	// Open is mqttbroker.Options.Open.
	Open    func(ctx context.Context, address string) (net.Listener, error)
	Devices []device.Device
	// Logins are the passwords by device id: plain, or $argon2id$ hashes.
	Logins map[string]string
	Sink   driver.Sink
	Clock  clock.Clock
	Stats  Stats
	Log    *slog.Logger
	// Results takes the answers to commands; it must not block. nil: they are
	// logged only.
	Results func(Result)
	// Grace is how long after the start a device that has not signed in is
	// reported offline: 60 s.
	Grace time.Duration
	// Limits of the broker; the zero value stands for DeviceLimits.
	Limits mqttbroker.Limits
}

// Driver is a driver.Driver.
type Driver struct {
	o          Options
	broker     *mqttbroker.Broker
	stations   map[string]*station
	quarantine *Quarantine
	ready      chan struct{}
	// roll has room for one signal: some station's reachability changed.
	roll chan struct{}
}

var _ driver.Driver = (*Driver)(nil)

// New checks the logins and returns a Driver that does not listen yet.
func New(o Options) (*Driver, error) {
	if o.Grace == 0 {
		o.Grace = time.Minute
	}
	if o.Limits.Connections == 0 {
		o.Limits = mqttbroker.DeviceLimits()
	}
	d := &Driver{
		o: o, stations: map[string]*station{}, quarantine: newQuarantine(),
		ready: make(chan struct{}), roll: make(chan struct{}, 1),
	}
	for _, dev := range o.Devices {
		if dev.Modbus == nil {
			d.stations[dev.ID] = &station{codec: newCodec(dev)}
		}
	}
	gate, err := newDoor(o.Logins)
	if err != nil {
		return nil, err
	}
	d.broker, err = mqttbroker.New(mqttbroker.Options{
		Listen: o.Listen, Open: o.Open, Authenticator: gate, Authorizer: gate, Receiver: d, Presence: d,
		Treat: treat, Limits: o.Limits, Log: o.Log,
	})
	if err != nil {
		return nil, fmt.Errorf("build MQTT broker: %w", err)
	}
	return d, nil
}

// stopWithin bounds the closing of connections.
const stopWithin = 5 * time.Second

// Run implements driver.Driver.
func (d *Driver) Run(ctx context.Context) error {
	if err := d.broker.Start(ctx); err != nil {
		return err
	}
	close(d.ready)
	var roll sync.WaitGroup
	roll.Go(func() { d.callRoll(ctx) })
	<-ctx.Done()
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	err := d.broker.Stop(stop)
	// Last: it may be waiting for a device that the broker has just freed.
	roll.Wait()
	return err
}

// Ready is closed once devices can sign in.
func (d *Driver) Ready() <-chan struct{} { return d.ready }

// Addr is where the i-th Listen really listens; valid after Ready.
func (d *Driver) Addr(i int) net.Addr { return d.broker.Addr(i) }

// Broker returns the broker's counts.
func (d *Driver) Broker() mqttbroker.Stats { return d.broker.Stats() }

// Quarantine holds the payloads that nobody could read.
func (d *Driver) Quarantine() *Quarantine { return d.quarantine }

// Publish implements mqttbroker.Receiver.
func (d *Driver) Publish(ctx context.Context, m mqttbroker.Message, ack func(error)) {
	id, leaf, command, err := topic.ParseDevice(m.Topic)
	if err != nil {
		d.reject(m, errTopic, ack)
		return
	}
	st := d.stations[string(id)]
	if st == nil {
		d.reject(m, errUnknownDevice, ack)
		return
	}
	switch leaf {
	case topic.Telemetry, topic.Events:
		d.measure(ctx, st, leaf, m, ack)
	case topic.Status:
		d.status(st, m, ack)
	case topic.Result:
		d.result(st, command, m, ack)
	default:
		d.reject(m, errTopic, ack)
	}
}

var (
	errTopic         = errors.New("unknown_topic")
	errUnknownDevice = errors.New("unknown_device")
	errStatus        = errors.New("bad_status")
)

// measure hands telemetry or an event to the Sink, with ack as its Done. The
// station is locked throughout: its messages follow one another even when the
// device has two connections.
func (d *Driver) measure(ctx context.Context, st *station, leaf string, m mqttbroker.Message, ack func(error)) {
	st.order.Lock()
	defer st.order.Unlock()
	if err := d.report(ctx, st); err != nil {
		ack(err)
		return
	}
	b := driver.Batch{Device: st.codec.device, Done: ack}
	now, dropped := clock.NowMS(d.o.Clock), 0
	var err error
	if leaf == topic.Telemetry {
		b.Samples, dropped, err = st.codec.telemetry(m.Payload, now)
	} else {
		b.Events, dropped, err = st.codec.events(m.Payload, now)
	}
	if err != nil {
		d.reject(m, err, ack)
		return
	}
	if dropped > 0 {
		d.o.Stats.Dropped("unusable_value", dropped)
		d.quarantine.add(Rejected{AtMS: now, Device: b.Device, Topic: m.Topic, Reason: "unusable_value"}, m.Payload)
	}
	chaos.At("device.publish.before")
	if err := d.o.Sink.Put(ctx, b); err != nil {
		ack(err)
	}
	chaos.At("device.publish.after")
}

// reject keeps a payload that will never be readable. It is acknowledged: the
// device would only send it again.
func (d *Driver) reject(m mqttbroker.Message, why error, ack func(error)) {
	d.o.Stats.Dropped(why.Error(), 1)
	d.quarantine.add(Rejected{AtMS: clock.NowMS(d.o.Clock), Device: string(m.From), Topic: m.Topic, Reason: why.Error()}, m.Payload)
	ack(nil)
}

// status takes what the device says about itself, or its will says for it.
func (d *Driver) status(st *station, m mqttbroker.Message, ack func(error)) {
	switch string(m.Payload) {
	case "online":
		st.say(true)
	case "offline":
		st.say(false)
	default:
		d.reject(m, errStatus, ack)
		return
	}
	d.signal()
	ack(nil)
}

// online builds the Sample of a device's reachability.
func (c *codec) online(up bool, edgeMS int64) telemetry.Sample {
	at, marks := telemetry.EffectiveTime(0, edgeMS)
	s := telemetry.Sample{
		Key:  telemetry.SeriesKey{Device: c.device, Kind: c.kind, Metric: driver.Online},
		AtMS: at, EdgeMS: edgeMS, Marks: marks,
	}
	if up {
		s.Value = 1
	}
	return s
}
