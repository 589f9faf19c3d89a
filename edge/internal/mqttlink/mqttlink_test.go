package mqttlink_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/linshao/linshao/edge/internal/mqttlink"
)

// peer is the far end of one connection, speaking MQTT by hand, so that it can
// be as silent and as rude as a story needs.
type peer struct {
	t    *testing.T
	conn net.Conn
	// got are the packets that came, but for those that answer handles.
	got chan packets.ControlPacket
	// silent: nothing is answered any more. deaf: nor is anything read.
	silent, deaf chan struct{}
	// refuse: SUBSCRIBE is answered with 0x80. mute: PUBLISH gets no PUBACK.
	refuse, mute bool
}

// dial connects a Link to a peer over a pipe; all of it runs in virtual time.
func dial(t *testing.T, change func(*peer)) (*mqttlink.Link, *peer) {
	t.Helper()
	near, far := net.Pipe()
	p := &peer{t: t, conn: far, got: make(chan packets.ControlPacket, 2000), silent: make(chan struct{}), deaf: make(chan struct{})}
	if change != nil {
		change(p)
	}
	go p.serve()
	l, err := mqttlink.Open(t.Context(), options(near))
	if err != nil {
		t.Fatal(err)
	}
	return l, p
}

func options(near net.Conn) mqttlink.Options {
	return mqttlink.Options{
		URL: "tcp://cloud:1884", ClientID: "e1", Username: "u", Password: "p", WillTopic: "status", WillPayload: "offline",
		Dial: func(context.Context, string) (net.Conn, error) { return near, nil }, Log: slog.New(slog.DiscardHandler),
	}
}

func (p *peer) serve() {
	defer close(p.got)
	for !over(p.deaf) {
		c, err := packets.ReadPacket(p.conn)
		if err != nil {
			return
		}
		p.got <- c
		if a := p.answer(c); a != nil && !over(p.silent) && a.Write(p.conn) != nil {
			return
		}
	}
}

func over(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

func (p *peer) answer(c packets.ControlPacket) packets.ControlPacket {
	switch c := c.(type) {
	case *packets.ConnectPacket:
		return packets.NewControlPacket(packets.Connack)
	case *packets.SubscribePacket:
		a := packets.NewControlPacket(packets.Suback).(*packets.SubackPacket)
		a.MessageID, a.ReturnCodes = c.MessageID, make([]byte, len(c.Topics))
		for i := range a.ReturnCodes {
			if a.ReturnCodes[i] = 1; p.refuse {
				a.ReturnCodes[i] = 0x80
			}
		}
		return a
	case *packets.PublishPacket:
		if p.mute {
			return nil
		}
		a := packets.NewControlPacket(packets.Puback).(*packets.PubackPacket)
		a.MessageID = c.MessageID
		return a
	case *packets.PingreqPacket:
		return packets.NewControlPacket(packets.Pingresp)
	}
	return nil
}

func (p *peer) publish(id uint16) {
	m := packets.NewControlPacket(packets.Publish).(*packets.PublishPacket)
	m.TopicName, m.Qos, m.MessageID, m.Payload = "down", 1, id, []byte("x")
	_ = m.Write(p.conn) // a Link that gave up reads no more
}

func TestAConnectionSaysWhoItIsAndLeavesAWill(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, p := dial(t, nil)
		c := (<-p.got).(*packets.ConnectPacket)
		if !c.CleanSession || c.Keepalive != 4 || c.ProtocolVersion != 4 || c.ClientIdentifier != "e1" || c.Username != "u" {
			t.Errorf("connected with %v", c)
		}
		if !c.WillFlag || !c.WillRetain || c.WillQos != 1 || c.WillTopic != "status" || string(c.WillMessage) != "offline" {
			t.Errorf("will %v", c)
		}
		if err := l.Subscribe(t.Context(), "a", "b"); err != nil {
			t.Error(err)
		}
		if err := l.Publish(t.Context(), "up", []byte("1"), true); err != nil {
			t.Error(err)
		}
		<-time.After(time.Minute) // kept alive all the time
		l.Close()
		var last packets.ControlPacket
		pings := 0
		for c := range p.got {
			if last = c; isPing(c) {
				pings++
			}
		}
		if _, ok := last.(*packets.DisconnectPacket); !ok || pings < 12 { // the broker waits for 6 s at most
			t.Errorf("%d pings, then %T", pings, last)
		}
	})
}

func isPing(c packets.ControlPacket) bool {
	_, ok := c.(*packets.PingreqPacket)
	return ok
}

// The trap that rules the design: paho may complete a token without a PUBACK.
func TestAPublishWithoutPubackIsAnError(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, p := dial(t, func(p *peer) { p.mute = true })
		result := make(chan error, 1)
		go func() { result <- l.Publish(t.Context(), "up", []byte("1"), false) }()
		synctest.Wait()
		p.conn.Close()
		if err := <-result; err == nil {
			t.Error("a publish that was cut off succeeded")
		}
		<-l.Lost()
		l.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		l, _ := dial(t, func(p *peer) { p.mute = true })
		if err := l.Publish(t.Context(), "up", []byte("1"), false); !errors.Is(err, mqttlink.ErrNoAnswer) {
			t.Errorf("a publish that is never answered: %v", err)
		}
		l.Close()
	})
}

// Two kinds of black hole: the far end reads and never answers, or does not even
// read.
func TestABlackHoleIsNoticedWithin8Seconds(t *testing.T) {
	t.Parallel()
	for _, deaf := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l, p := dial(t, nil)
			<-time.After(20 * time.Second)
			select {
			case <-l.Lost():
				t.Fatalf("lost without cause: %v", l.Why())
			default:
			}
			if deaf {
				close(p.deaf)
			}
			close(p.silent)
			start := time.Now()
			<-l.Lost()
			if took := time.Since(start); took > 7800*time.Millisecond { // a busy machine needs the rest
				t.Errorf("deaf %t: noticed after %v", deaf, took)
			}
			l.Close()
			p.conn.Close()
		})
	}
}

// A far end that talks and does not listen is as good as gone.
func TestAFarEndThatOnlyTalksIsNoticed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, p := dial(t, nil)
		close(p.deaf)
		start := time.Now()
		for i := uint16(1); !over(l.Lost()); i++ {
			if time.Since(start) > 20*time.Second {
				t.Error("not noticed")
				break
			}
			p.publish(i)
			<-time.After(time.Second)
		}
		p.conn.Close()
		l.Close()
	})
}

func TestABrokerThatNeverAnswersOrRefuses(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		go func() { _, _ = packets.ReadPacket(far) }() // and not a word
		start := time.Now()
		if _, err := mqttlink.Open(t.Context(), options(near)); err == nil || time.Since(start) > 12*time.Second {
			t.Errorf("opened after %v: %v", time.Since(start), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		l, _ := dial(t, func(p *peer) { p.refuse = true })
		if err := l.Subscribe(t.Context(), "a"); err == nil {
			t.Error("a refused subscription succeeded")
		}
		l.Close()
	})
}

func TestMessagesAreAcknowledgedByTheirTaker(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, p := dial(t, nil)
		<-p.got
		go p.publish(7)
		m := <-l.Messages()
		synctest.Wait()
		select {
		case c := <-p.got:
			t.Errorf("answered with %v before it was dealt with", c)
		default:
		}
		m.Ack()
		if c, ok := (<-p.got).(*packets.PubackPacket); !ok || c.MessageID != 7 {
			t.Errorf("answered with %v", c)
		}
		l.Close()
		m.Ack() // harmless
	})
}

// Who does not take messages loses the connection, and nothing blocks.
func TestTooManyMessagesCostTheConnection(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		l, p := dial(t, nil)
		for i := range 1100 {
			select {
			case <-l.Lost():
				if i < 1000 {
					t.Errorf("lost after %d messages", i)
				}
				l.Close()
				return
			default:
				p.publish(uint16(i + 1))
				synctest.Wait()
			}
		}
		t.Error("queued without bound")
	})
}
