package mqttbroker

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/mochi-mqtt/server/v2/packets"
)

var errDiskFull = errors.New("disk full")

func TestPubackWaitsForTheReceiver(t *testing.T) {
	t.Parallel()
	for _, version := range []byte{4, 5} {
		e := start(t, nil)
		p := e.connect(t, "gate", func(pk *packets.Packet) { pk.ProtocolVersion = version })
		p.publish("devices/gate/telemetry", `{"door":1}`, 7)
		m := e.next(t)
		if m.From != "gate" || m.Topic != "devices/gate/telemetry" || string(m.Payload) != `{"door":1}` || m.QoS != 1 || m.Will {
			t.Errorf("received %+v", m.Message)
		}
		p.ping() // nothing came before the answer to this
		m.ack(nil)
		if ack := p.want(packets.Puback); ack.PacketID != 7 || ack.ReasonCode != 0 {
			t.Errorf("v%d: PUBACK %d, reason %d", version, ack.PacketID, ack.ReasonCode)
		}
	}
}

func TestPubacksComeInReceiveOrder(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	p := e.connect(t, "gate", nil)
	var got []received
	for id := uint16(1); id <= 4; id++ {
		p.publish("devices/gate/telemetry", fmt.Sprint(id), id)
		got = append(got, e.next(t))
	}
	got[2].ack(nil)
	got[1].ack(nil)
	p.ping()
	got[0].ack(nil)
	for id := uint16(1); id <= 3; id++ {
		if ack := p.want(packets.Puback); ack.PacketID != id {
			t.Errorf("want PUBACK %d, got %d", id, ack.PacketID)
		}
	}
	got[0].ack(nil) // a second call means nothing
	p.ping()
	got[3].ack(nil)
	p.want(packets.Puback)
}

func TestWhatCannotBeStoredDropsTheClient(t *testing.T) {
	t.Parallel()
	for _, version := range []byte{4, 5} {
		e := start(t, nil)
		p := e.connect(t, "gate", func(pk *packets.Packet) { pk.ProtocolVersion = version })
		p.publish("devices/gate/telemetry", "a", 1)
		p.publish("devices/gate/telemetry", "b", 2)
		first, second := e.next(t), e.next(t)
		first.ack(errDiskFull)
		second.ack(nil) // must not be acknowledged: the first is not stored
		before := p.wantClosed()
		if version == 4 && len(before) != 0 {
			t.Errorf("sent %+v", before)
		}
		if version == 5 && (len(before) != 1 || before[0].FixedHeader.Type != packets.Disconnect || before[0].ReasonCode != 0x83) {
			t.Errorf("sent %+v", before)
		}
		if n := e.b.Stats().Undurable; n != 1 {
			t.Errorf("Undurable %d", n)
		}
		p = e.connect(t, "gate", nil) // and it may come back and send again
		p.publish("devices/gate/telemetry", "a", 1)
		e.next(t).ack(nil)
		p.want(packets.Puback)
	}
}

func TestAcknowledgingAfterTheEndIsHarmless(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	p := e.connect(t, "gate", nil)
	p.publish("devices/gate/telemetry", "a", 1)
	m := e.next(t)
	_ = p.Close()
	<-m.ctx.Done()
	m.ack(nil)
	m.ack(errDiskFull)
	eventually(t, "the session ends", func() bool { return e.b.Stats().Sessions == 0 })
}

func TestQoS0IsHandedOverWithoutPuback(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	p := e.connect(t, "gate", nil)
	p.publish("devices/gate/telemetry", "a", 0)
	p.publish("devices/gate/telemetry", "b", 9)
	e.next(t).ack(nil)
	e.next(t).ack(nil)
	if ack := p.want(packets.Puback); ack.PacketID != 9 {
		t.Errorf("PUBACK %d", ack.PacketID)
	}
}

func TestAClientIsNotReadFromWhileTooMuchIsPending(t *testing.T) {
	t.Parallel()
	e := start(t, func(o *Options) { o.Limits.Pending = 2 })
	p, other := e.connect(t, "gate", nil), e.connect(t, "lift", nil)
	for id := uint16(1); id <= 5; id++ {
		p.publish("devices/gate/telemetry", "x", id)
	}
	held := []received{e.next(t), e.next(t)}
	other.publish("devices/lift/telemetry", "y", 1)
	if m := e.next(t); m.From != "lift" {
		t.Fatal("a third message of the gate came while two were pending")
	} else {
		m.ack(nil)
	}
	other.want(packets.Puback)
	for range 3 {
		held[0].ack(nil)
		held = append(held[1:], e.next(t))
	}
	held[0].ack(nil)
	held[1].ack(nil)
	for id := uint16(1); id <= 5; id++ {
		if ack := p.want(packets.Puback); ack.PacketID != id {
			t.Errorf("want PUBACK %d, got %d", id, ack.PacketID)
		}
	}
}

func TestAReceiverThatBlocksIsFreedWhenTheClientGoes(t *testing.T) {
	t.Parallel()
	e := start(t, func(o *Options) { o.Limits.Pending = 1 })
	e.messages = make(chan received) // nobody takes
	p := e.connect(t, "gate", nil)
	p.publish("devices/gate/telemetry", "a", 1)
	eventually(t, "the message arrives", func() bool { return e.b.Stats().Messages == 1 })
	again := e.connect(t, "gate", nil) // replaces the stuck session
	p.wantClosed()
	again.ping()
}

// TestThousandsOfMessages has the acknowledgements race the reading.
func TestThousandsOfMessages(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	const clients, each = 4, 500
	go func() {
		for range clients * each {
			select {
			case m := <-e.messages:
				m.ack(nil)
			case <-t.Context().Done():
				return
			}
		}
	}()
	parallel(clients, func(i int) {
		user := fmt.Sprint("d", i)
		p := e.connect(t, user, nil)
		go func() {
			for id := uint16(1); id <= each; id++ {
				_, _ = p.Write(p.publishBytes("devices/"+user+"/telemetry", "x", id, false))
			}
		}()
		for id := uint16(1); id <= each; id++ {
			if ack, err := p.read(); err != nil || ack.PacketID != id {
				t.Errorf("want PUBACK %d, got %d, %v", id, ack.PacketID, err)
				return
			}
		}
	})
}

func TestStopPublishesNoWillsAndLeavesNothing(t *testing.T) {
	t.Parallel()
	e := start(t, nil)
	p := e.connect(t, "gate", withWill("devices/gate/status", "offline", 1))
	five := e.connect(t, "lift", v5)
	must(t, e.b.Stop(context.WithoutCancel(t.Context())))
	p.wantClosed()
	before := five.wantClosed()
	if len(before) != 1 || before[0].ReasonCode != packets.ErrServerShuttingDown.Code {
		t.Errorf("MQTT 5 client was told %+v", before)
	}
	if len(e.messages) != 0 {
		t.Error("stopping published a will")
	}
	close(e.presence)
	for c := range e.presence {
		if !c.online {
			t.Error("stopping told Presence that clients left")
		}
	}
}
