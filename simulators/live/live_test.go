package live_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/linshao/linshao/simulators/broker"
	"github.com/linshao/linshao/simulators/estate"
	"github.com/linshao/linshao/simulators/live"
	"github.com/linshao/linshao/simulators/mqttsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// eight is a morning at eight in 2100: Run never catches up with it.
var eight = time.UnixMilli(4_107_542_400_000)

func open(t *testing.T, mqtt string, speed float64, acked func(mqttsim.Entry)) (*live.Estate, string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	modbus := ln.Addr().String()
	ln.Close()
	e, err := live.Open(live.Options{
		Name: "garden", Seed: 4, Speed: speed, Start: eight, WallStart: eight, MQTT: mqtt, Modbus: modbus,
		Plan: estate.Plan{Devices: []estate.Device{
			{ID: "gate-1", Kind: estate.AccessGate, Building: "3"},
			{ID: "lift-1", Kind: estate.Elevator, Building: "3", Unit: 7},
		}},
		Passwords: map[string]string{"gate-1": "secret"}, Acked: acked, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	return e, modbus
}

// read asks unit 7 for holding registers; ok is false where no answer comes.
func read(t *testing.T, addr string, count uint16) (values []uint16, ok bool) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask := []byte{0, 1, 0, 0, 0, 6, 7, 3, 0, 0}
	if _, err := conn.Write(binary.BigEndian.AppendUint16(ask, count)); err != nil {
		t.Fatal(err)
	}
	_ = conn.SetReadDeadline(time.Now().Add(300 * time.Millisecond))
	answer := make([]byte, 9+2*count)
	if _, err := io.ReadFull(conn, answer); err != nil {
		return nil, false
	}
	for i := range count {
		values = append(values, binary.BigEndian.Uint16(answer[9+2*i:]))
	}
	return values, true
}

func TestALiftIsReadOverModbusAndFallsSilent(t *testing.T) {
	e, modbus := open(t, "tcp://127.0.0.1:1", 1, nil)
	if v, ok := read(t, modbus, 19); !ok || v[1]&(1<<10) == 0 {
		t.Fatalf("a lift at rest stands at a level: %v", v)
	}
	if err := e.Begin(estate.Entrapment, "lift-1", time.Minute); err != nil {
		t.Fatal(err)
	}
	e.Step(eight.Add(20 * time.Second))
	v, _ := read(t, modbus, 19)
	if v[0]&0x002 == 0 || v[1]&(1<<14) == 0 || v[1]&(1<<12) == 0 {
		t.Errorf("trapped off level, alarm key and person: %04x %04x", v[0], v[1])
	}
	if err := e.Begin(estate.DeviceSilent, "lift-1", time.Minute); err != nil {
		t.Fatal(err)
	}
	e.Step(eight.Add(21 * time.Second))
	if _, ok := read(t, modbus, 19); ok {
		t.Error("a silent terminal answered")
	}
	e.Step(eight.Add(90 * time.Second))
	if _, ok := read(t, modbus, 19); !ok {
		t.Error("it did not come back")
	}
}

func TestTruthAndStampsAreWallTimeAtAnySpeed(t *testing.T) {
	seen := make(chan broker.Message, 1024)
	b, err := broker.Listen("127.0.0.1:0", broker.Script{Publish: func(m broker.Message) broker.Verdict {
		seen <- m
		return broker.Ack
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	journal := mqttsim.NewJournal(nil)
	e, _ := open(t, b.URL(), 60, journal.Add)
	if err := e.Begin(estate.DoorForced, "gate-1", time.Minute); err != nil {
		t.Fatal(err)
	}
	e.Step(eight.Add(2 * time.Second)) // two minutes pass
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	run, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := e.Run(run); err != nil {
			t.Error(err)
		}
	})
	if err := journal.Wait(ctx, 5); err != nil {
		t.Fatal(err)
	}
	stop()
	wg.Wait()
	for m := range seen {
		if !strings.HasSuffix(m.Topic, "events") {
			continue
		}
		var ev struct {
			TS    int64
			Event string
		}
		if err := json.Unmarshal(m.Payload, &ev); err != nil {
			t.Fatal(err)
		}
		if ev.Event != "door_forced_open" || ev.TS-eight.UnixMilli() > 10 {
			t.Errorf("first event %+v", ev)
		}
		break
	}
	got := e.Truth()
	if len(got) != 1 || got[0].FromMS != eight.UnixMilli() || got[0].ToMS != eight.UnixMilli()+1000 {
		t.Errorf("a minute at speed 60 is a second: %+v", got)
	}
}
