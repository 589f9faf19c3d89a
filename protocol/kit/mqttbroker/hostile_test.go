package mqttbroker

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
)

// truncatedSubscribe lacks the options byte of its only filter; mochi 2.7.9
// reads past the end of it.
var truncatedSubscribe = []byte{0x82, 8, 0, 1, 0, 0, 3, 'a', '/', 'b'}

func TestAPacketThatPanicsEndsOnlyItsConnection(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	other := e.connect(t, "lift", nil)
	await(t, e.presence)
	for i := range 3 {
		p := e.connect(t, "gate", func(pk *packets.Packet) {
			withWill("devices/gate/status", "offline", 1)(pk)
			pk.ProtocolVersion = 5
		})
		if c := await(t, e.presence); !c.online {
			t.Fatalf("presence %+v", c)
		}
		if code := p.subscribe("devices/gate/commands"); code != 1 {
			t.Fatalf("SUBACK %d", code)
		}
		p.send(truncatedSubscribe)
		p.wantClosed()
		// What the recover skipped was done: the will, the notification,
		// and the removal of the session and its subscription.
		if m := e.next(t); !m.Will || string(m.Payload) != "offline" {
			t.Errorf("will %+v", m.Message)
		} else {
			m.ack(nil)
		}
		if c := await(t, e.presence); c.online || c.clean || c.id != "gate" {
			t.Errorf("presence %+v", c)
		}
		if n := e.b.Stats().Panics; n != uint64(i+1) {
			t.Fatalf("%d panics caught", n)
		}
		if e.b.Subscribed("devices/gate/commands") {
			t.Error("the subscription outlived its session")
		}
		other.publish("devices/lift/telemetry", "x", 1)
		e.next(t).ack(nil)
		other.want(packets.Puback)
	}
	eventually(t, "mochi forgets the clients", func() bool { return e.b.server.Clients.Len() == 2 }) // lift and mochi's own
}

func TestSilentSocketsAreClosedByTheDeadline(t *testing.T) {
	t.Parallel()
	e := start(t, func(o *Options) { o.Limits.ConnectWithin = 50 * time.Millisecond })
	for name, sent := range map[string][]byte{
		"silent":             nil,
		"half a header":      {0x10},
		"CONNECT begun":      {0x10, 40, 0, 4, 'M', 'Q'},
		"not MQTT":           []byte("GET / HTTP/1.1\r\n\r\n"),
		"PUBLISH first":      {0x30, 3, 0, 1, 'a'},
		"200 MB CONNECT":     {0x10, 0x80, 0xc2, 0xd7, 0x5f},
		"unending length":    {0x10, 0x80, 0x80, 0x80, 0x80, 0x80},
		"just above the max": {0x10, 0x81, 0x40},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := e.dial(t)
			p.send(sent)
			if before := p.wantClosed(); len(before) != 0 {
				t.Errorf("was answered %+v", before)
			}
		})
	}
}

func TestAFloodOfSilentSocketsLocksNobodyOut(t *testing.T) {
	t.Parallel()
	e := start(t, func(o *Options) { o.Limits.Strangers, o.Limits.ConnectWithin = 8, time.Hour })
	old := e.connect(t, "lift", nil)
	var flood []*peer
	for range 40 {
		flood = append(flood, e.dial(t))
	}
	p := e.connect(t, "gate", nil)
	p.ping()
	old.ping()
	for _, f := range flood[:31] {
		f.wantClosed()
	}
}

func TestConnectionCaps(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Limits){
		"in total":    func(l *Limits) { l.Connections = 2 },
		"per address": func(l *Limits) { l.PerAddress = 2 },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := start(t, func(o *Options) { change(&o.Limits) })
			a, b := e.connect(t, "a", nil), e.connect(t, "b", nil)
			e.dial(t).wantClosed()
			if n := e.b.Stats().RefusedFull; n != 1 {
				t.Errorf("RefusedFull %d", n)
			}
			b.send([]byte{0xe0, 0})
			b.wantClosed()
			eventually(t, "room is made", func() bool { return e.b.Stats().Sessions == 1 })
			eventually(t, "someone else fits", func() bool {
				c, err := net.Dial("tcp", e.b.Addr(0).String())
				must(t, err)
				defer func() { _ = c.Close() }()
				_ = c.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
				_, err = c.Read(make([]byte, 1))
				return os.IsTimeout(err) // still open
			})
			a.ping()
		})
	}
}

func TestOversizePacketsAreRefusedBeforeTheyAreRead(t *testing.T) {
	t.Parallel()
	e := start(t, func(o *Options) { o.Limits.PacketBytes = 4096 })
	p := e.connect(t, "gate", nil)
	p.publish("devices/gate/telemetry", string(make([]byte, 4000)), 1)
	e.next(t).ack(nil)
	p.want(packets.Puback)
	p.send([]byte{0x32, 0x80, 0xc2, 0xd7, 0x5f}) // claims 200 MB
	p.wantClosed()
}

func TestAPeerThatDoesNotReadHoldsUpNobody(t *testing.T) {
	t.Parallel()
	e := start(t, func(o *Options) { o.Limits.QueuedBytes = 64 << 10; o.Limits.PacketBytes = 60 << 10 })
	deaf, other := e.connect(t, "deaf", nil), e.connect(t, "lift", nil)
	deaf.subscribe("devices/deaf/commands")
	other.subscribe("devices/lift/commands")
	payload := bytes.Repeat([]byte("x"), 32<<10)
	for i := 0; e.b.Subscribed("devices/deaf/commands"); i++ {
		must(t, e.b.Publish("devices/deaf/commands", payload, 1, false))
		must(t, e.b.Publish("devices/lift/commands", []byte("now"), 1, false))
		m := other.want(packets.Publish)
		if string(m.Payload) != "now" {
			t.Fatalf("got %q", m.Payload)
		}
		other.send(puback(m.PacketID))
		if i > 1e5 {
			t.Fatal("the deaf peer is still connected")
		}
	}
}

// TestPublishingToAClientThatTalks has mochi look through the client's in-flight
// messages while others are added: with a send quota it would lock itself up.
func TestPublishingToAClientThatTalks(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	p := e.connect(t, "gate", func(pk *packets.Packet) { v5(pk); pk.Properties.ReceiveMaximum = 20 })
	p.subscribe("devices/gate/commands")
	enough, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		for {
			select {
			case <-enough:
				return
			default:
				_ = e.b.Publish("devices/gate/commands", []byte("x"), 1, false)
			}
		}
	}()
	for range 2000 {
		p.send(puback(p.want(packets.Publish).PacketID))
	}
	close(enough)
	await(t, stopped)
}

func TestRulesOfMQTTThatMochiDoesNotKeep(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	t.Run("QoS 2", func(t *testing.T) {
		p := e.connect(t, "gate", nil)
		p.send([]byte{0x34, 26, 0, 22, 'd', 'e', 'v', 'i', 'c', 'e', 's', '/', 'g', 'a', 't', 'e', '/', 't', 'e', 'l', 'e', 'm', 'e', 't', 'r', 'y', 0, 1})
		p.wantClosed()
	})
	t.Run("topic alias", func(t *testing.T) {
		p := e.connect(t, "gate", v5)
		pk := packets.Packet{
			FixedHeader: packets.FixedHeader{Type: packets.Publish}, ProtocolVersion: 5, TopicName: "devices/gate/telemetry",
			Properties: packets.Properties{TopicAlias: 1, TopicAliasFlag: true}, Payload: []byte("x"),
		}
		var b bytes.Buffer
		must(t, pk.PublishEncode(&b))
		p.send(b.Bytes())
		p.wantClosed()
	})
	t.Run("NUL in a topic", func(t *testing.T) {
		p := e.connect(t, "gate", nil)
		p.publish("devices/gate/\x00", "x", 1)
		p.wantClosed()
	})
	t.Run("too many filters", func(t *testing.T) {
		p := e.connect(t, "gate", nil)
		for i := range maxFilters {
			p.subscribe(fmt.Sprint("devices/gate/", i))
		}
		pk := packets.Packet{FixedHeader: packets.FixedHeader{Type: packets.Subscribe, Qos: 1}, ProtocolVersion: 4, PacketID: 5, Filters: packets.Subscriptions{{Filter: "devices/gate/more"}}}
		var b bytes.Buffer
		must(t, pk.SubscribeEncode(&b))
		p.send(b.Bytes())
		p.wantClosed()
	})
	if len(e.messages) != 0 {
		t.Errorf("%d of these were handed over", len(e.messages))
	}
}

// TestMutatedPackets sends broken variations of every kind of packet, before
// and after CONNECT. A failure prints its seed.
func TestMutatedPackets(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	e := start(t, nil)
	go func() {
		for {
			select {
			case m := <-e.messages:
				m.ack(nil)
			case <-t.Context().Done():
				return
			}
		}
	}()
	for _, s := range []uint64{1, seed} {
		r := rand.New(rand.NewPCG(s, 0))
		for i := range 300 {
			p := e.dial(t)
			if r.IntN(5) > 0 {
				p.login("gate", func(pk *packets.Packet) { pk.ProtocolVersion = byte(4 + r.IntN(2)); p.version = pk.ProtocolVersion })
			}
			for range 1 + r.IntN(4) {
				b := bytes.Clone(samples[r.IntN(len(samples))])
				for range r.IntN(3) {
					b[r.IntN(len(b))] = byte(r.IntN(256))
				}
				if len(b) > 2 && r.IntN(2) == 0 {
					b = b[:2+r.IntN(len(b)-2)]
					b[1] = byte(len(b) - 2)
				}
				if _, err := p.Write(b); err != nil {
					break
				}
			}
			_ = p.Close()
			if i%100 == 0 {
				e.connect(t, "lift", nil).ping()
			}
		}
		e.connect(t, "lift", nil).ping()
		if t.Failed() {
			t.Fatalf("seed %d", s)
		}
	}
}

var samples = [][]byte{
	truncatedSubscribe,
	{0x82, 9, 0, 1, 0, 0, 3, 'a', '/', 'b', 1},
	{0xa2, 8, 0, 1, 0, 0, 3, 'a', '/', 'b'},
	{0x32, 10, 0, 3, 'a', '/', 'b', 0, 1, 0, 'x', 'y'},
	{0x30, 14, 0, 3, 'a', '/', 'b', 7, 0x23, 0, 1, 8, 0, 1, 'r', 'x'},
	{0x40, 4, 0, 1, 0, 0},
	{0x50, 4, 0, 1, 0, 0},
	{0x62, 4, 0, 1, 0, 0},
	{0x70, 4, 0, 1, 0, 0},
	{0xc0, 0},
	{0xe0, 2, 4, 0},
	{0xf0, 2, 0x18, 0},
	{0xf0, 6, 0x18, 4, 0x15, 0, 1, 'a'},
	{0x10, 16, 0, 4, 'M', 'Q', 'T', 'T', 5, 2, 0, 30, 0, 0, 0, 0, 0, 0},
	{0x20, 2, 0, 0},
	{0x90, 3, 0, 1, 0},
	{0xb0, 3, 0, 1, 0},
	{0xd0, 0},
}
