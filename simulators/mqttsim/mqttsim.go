// Package mqttsim is a device that talks MQTT: it signs in with its id, keeps
// a retained status with a last will, publishes telemetry and events at QoS 1,
// answers commands, and comes back by itself when its connection breaks.
//
// What it guarantees, so that tests can hold a gateway to its word: every
// message that was taken is published until a PUBACK for it arrives, in order
// and with its first time stamp, across any number of connections; Acked is
// called once per message, in order, after the PUBACK and for no other reason.
// A PUBACK that got lost with its connection does not count, so the gateway
// may have more than the journal says, never less.
package mqttsim

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/linshao/linshao/protocol/topic"
)

const (
	// window is how many messages wait for their PUBACK at once.
	window = 32
	// capacity is how many messages a device keeps while it is cut off.
	capacity = 1024
)

// Message is one telemetry message or, when Event is set, one event.
type Message struct {
	// AtMS is the device's own time stamp, 0 for none.
	AtMS   int64
	Values map[string]any
	Event  string
	Data   map[string]any
}

// Entry is a message that the gateway acknowledged.
type Entry struct {
	Device string `json:"device"`
	// Seq counts the device's messages from 1, in the order they were taken.
	Seq    uint64         `json:"seq"`
	AtMS   int64          `json:"ts"`
	Values map[string]any `json:"values,omitempty"`
	Event  string         `json:"event,omitempty"`
}

// Options of a Device. URL, Device and Log are required.
type Options struct {
	URL      string // tcp://host:port
	Device   string
	Password string
	Log      *slog.Logger
	// Acked, if set, hears of every acknowledged message. It is called from
	// the device's goroutine and must not block for long.
	Acked func(Entry)
	// Impatience, if set, caps the pause before coming back; default 10 s.
	Impatience time.Duration
	// Obey, if set, carries out a command; nil refuses all of them.
	Obey func(name string, args json.RawMessage) error
}

// Device is one simulated device. Its methods may be called from anywhere.
type Device struct {
	o       Options
	queue   chan numbered
	taking  chan struct{} // a mutex that a context can give up on; guards seq
	seq     uint64
	muted   atomic.Bool
	poke    chan struct{} // muted has changed
	online  atomic.Bool
	dropped atomic.Uint64
}

type numbered struct {
	Message
	seq uint64
}

// New makes a device; Run brings it to life.
func New(o Options) *Device {
	return &Device{
		o:      o,
		queue:  make(chan numbered, capacity),
		taking: make(chan struct{}, 1),
		poke:   make(chan struct{}, 1),
	}
}

// Publish takes a message and returns its number. It blocks while the device's
// memory is full.
func (d *Device) Publish(ctx context.Context, m Message) (uint64, error) {
	select {
	case d.taking <- struct{}{}:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	defer func() { <-d.taking }()
	select {
	case d.queue <- numbered{m, d.seq + 1}:
		d.seq++
		return d.seq, nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// Offer takes a message unless the device's memory is full; then it is lost,
// as in a real device, and counted. It waits behind a Publish that waits.
func (d *Device) Offer(m Message) bool {
	d.taking <- struct{}{}
	defer func() { <-d.taking }()
	select {
	case d.queue <- numbered{m, d.seq + 1}:
		d.seq++
		return true
	default:
		d.dropped.Add(1)
		return false
	}
}

// Mute makes the device fall off the network without a word, or lets it come
// back. It does not wait for either.
func (d *Device) Mute(on bool) {
	d.muted.Store(on)
	select {
	case d.poke <- struct{}{}:
	default: // a poke is already on its way
	}
}

// Online reports whether the device is signed in.
func (d *Device) Online() bool { return d.online.Load() }

// Dropped counts the messages that found the memory full.
func (d *Device) Dropped() uint64 { return d.dropped.Load() }

// Run connects, publishes and reconnects until ctx ends; then it says offline,
// disconnects and returns nil.
func (d *Device) Run(ctx context.Context) error {
	l := &life{Device: d, topic: topic.Device(d.o.Device)}
	var pause time.Duration
	for ctx.Err() == nil {
		l.stayAway(ctx)
		err := l.connection(ctx)
		if l.worked {
			pause = 0
		}
		d.o.Log.Debug("device lost its gateway", "device", d.o.Device, "err", err)
		if pause = backoff(pause); d.o.Impatience > 0 {
			pause = min(pause, d.o.Impatience)
		}
		l.rest(ctx, pause)
	}
	return nil
}

func payload(m Message) ([]byte, error) {
	body := map[string]any{}
	if m.AtMS != 0 {
		body["ts"] = m.AtMS
	}
	if m.Event == "" {
		body["values"] = m.Values
	} else {
		body["event"] = m.Event
		if m.Data != nil {
			body["data"] = m.Data
		}
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode message: %w", err)
	}
	return b, nil
}
