package mqtt

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/goleak"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/kit/mqttbroker"
	"github.com/linshao/linshao/protocol/topic"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds waits for what must happen; nothing is concluded from time.
const patience = 20 * time.Second

// edge is a running Driver whose Sink belongs to the test.
type edge struct {
	*Driver
	t       *testing.T
	clock   *clock.Fake
	batches chan driver.Batch
	results chan Result
	counts  *counts
}

// Put implements driver.Sink.
func (e *edge) Put(ctx context.Context, b driver.Batch) error {
	select {
	case e.batches <- b:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

type counts struct {
	mu      sync.Mutex
	up      map[string]bool
	dropped map[string]int
}

func (c *counts) Up(device string, up bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.up[device] = up
}

func (c *counts) Dropped(reason string, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropped[reason] += n
}

func (c *counts) of(reason string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.dropped[reason]
}

var lift = device.Device{ID: "lift-3-1", Kind: "elevator", Profile: &device.Profile{Points: []device.Point{{Name: "floor"}}}}

func options(sink driver.Sink, c clock.Clock, stats Stats) Options {
	return Options{
		Listen:  []mqttbroker.Listen{{Address: "127.0.0.1:0"}},
		Devices: []device.Device{gate, lift},
		Logins:  map[string]string{gate.ID: "gate-pw", lift.ID: "lift-pw", "stray": "stray-pw"},
		Sink:    sink, Clock: c, Stats: stats, Log: slog.New(slog.DiscardHandler),
	}
}

func start(t *testing.T) *edge {
	t.Helper()
	e := &edge{
		t: t, clock: clock.NewFake(time.UnixMilli(now)), batches: make(chan driver.Batch, 256),
		results: make(chan Result, 16), counts: &counts{up: map[string]bool{}, dropped: map[string]int{}},
	}
	o := options(e, e.clock, e.counts)
	o.Results = func(r Result) { e.results <- r }
	var err error
	if e.Driver, err = New(o); err != nil {
		t.Fatal(err)
	}
	run(t, e.Driver)
	return e
}

// run runs d until the test ends.
func run(t *testing.T, d *Driver) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- d.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	await(t, d.Ready())
}

func await[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(patience):
		t.Fatal("waited in vain")
		panic("unreachable")
	}
}

// next returns the next batch that is not about reachability.
func (e *edge) next() driver.Batch {
	e.t.Helper()
	for {
		b := await(e.t, e.batches)
		if len(b.Samples) != 1 || b.Samples[0].Key.Metric != driver.Online {
			return b
		}
	}
}

// online returns the next report of reachability.
func (e *edge) online() (device string, up bool) {
	e.t.Helper()
	for {
		b := await(e.t, e.batches)
		if len(b.Samples) == 1 && b.Samples[0].Key.Metric == driver.Online {
			return b.Device, b.Samples[0].Value == 1
		}
	}
}

// peer is a device that speaks MQTT packet by packet.
type peer struct {
	net.Conn
	r *bufio.Reader
}

var errRefused = errors.New("connection refused")

// dial signs a device in; will may be nil.
func dial(d *Driver, id, password string, will *packets.ConnectParams) (*peer, error) {
	c, err := net.Dial("tcp", d.Addr(0).String())
	if err != nil {
		return nil, err
	}
	p := &peer{Conn: c, r: bufio.NewReader(c)}
	_ = c.SetDeadline(time.Now().Add(patience))
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Connect}, ProtocolVersion: 4}
	if will != nil {
		pk.Connect = *will
	}
	pk.Connect.ProtocolName, pk.Connect.Clean, pk.Connect.Keepalive, pk.Connect.ClientIdentifier = []byte("MQTT"), true, 30, id
	pk.Connect.UsernameFlag, pk.Connect.Username, pk.Connect.PasswordFlag, pk.Connect.Password = true, []byte(id), true, []byte(password)
	var b bytes.Buffer
	if err := pk.ConnectEncode(&b); err != nil {
		return nil, err
	}
	if _, err := c.Write(b.Bytes()); err != nil {
		return nil, err
	}
	kind, body, err := p.read()
	if err != nil || kind != packets.Connack || body[1] != 0 {
		_ = c.Close()
		return nil, errors.Join(errRefused, err)
	}
	return p, nil
}

func (e *edge) dial(id string, will *packets.ConnectParams) *peer {
	e.t.Helper()
	p, err := dial(e.Driver, id, e.o.Logins[id], will)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = p.Close() })
	return p
}

// publish with id 0 is QoS 0, else QoS 1.
func (p *peer) publish(name, payload string, id uint16) error {
	pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Publish}, ProtocolVersion: 4, TopicName: name, Payload: []byte(payload), PacketID: id}
	if id > 0 {
		pk.FixedHeader.Qos = 1
	}
	var b bytes.Buffer
	if err := pk.PublishEncode(&b); err != nil {
		return err
	}
	_, err := p.Write(b.Bytes())
	return err
}

func (p *peer) read() (kind byte, body []byte, err error) {
	first, err := p.r.ReadByte()
	if err != nil {
		return 0, nil, err
	}
	n, _, err := packets.DecodeLength(p.r)
	if err != nil {
		return 0, nil, err
	}
	body = make([]byte, n)
	_, err = io.ReadFull(p.r, body)
	return first >> 4, body, err
}

// want reads one packet of that kind.
func (p *peer) want(t *testing.T, kind byte) []byte {
	t.Helper()
	k, body, err := p.read()
	if err != nil || k != kind {
		t.Fatalf("want packet %d, got %d, %v", kind, k, err)
	}
	return body
}

// ping returns when all that was sent before is answered.
func (p *peer) ping(t *testing.T) {
	t.Helper()
	if _, err := p.Write([]byte{0xc0, 0}); err != nil {
		t.Fatal(err)
	}
	p.want(t, packets.Pingresp)
}

func (p *peer) wantClosed(t *testing.T) {
	t.Helper()
	var err error
	for kind := packets.Disconnect; err == nil; {
		if kind != packets.Disconnect { // mochi says goodbye in 3.1.1 too
			t.Fatalf("got packet %d", kind)
		}
		kind, _, err = p.read()
	}
	var late net.Error
	if errors.As(err, &late) && late.Timeout() {
		t.Fatal("the connection is still open")
	}
}

func telemetryOf(d device.Device) string { return topic.Device(d.ID).Telemetry() }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
