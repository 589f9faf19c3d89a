package modbus

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/kit/clock"
)

func TestMain(m *testing.M) {
	if serveForBench() {
		return
	}
	goleak.VerifyTestMain(m)
}

// Nothing that writes can leave the gateway, whatever asks for it.
func TestOnlyReadingFunctionCodesAreSent(t *testing.T) {
	t.Parallel()
	dialed := false
	tr := &transport{
		ctx: t.Context(), clock: clock.NewSystem(), timeout: time.Second, every: time.Second,
		dial: func(context.Context, string) (net.Conn, error) { dialed = true; return nil, net.ErrClosed },
	}
	for code := range 256 {
		if code >= 1 && code <= 4 {
			continue
		}
		_, err := tr.Send([]byte{0, 1, 0, 0, 0, 6, 1, byte(code), 0, 0, 0, 1})
		if err == nil || reasonOf(err) != "not_allowed" {
			t.Errorf("function %d: %v", code, err)
		}
	}
	l := newLink(tr)
	for name, write := range map[string]func() ([]byte, error){
		"coil":      func() ([]byte, error) { return l.client.WriteSingleCoil(1, 0xFF00) },
		"register":  func() ([]byte, error) { return l.client.WriteSingleRegister(13, 1) },
		"coils":     func() ([]byte, error) { return l.client.WriteMultipleCoils(1, 1, []byte{1}) },
		"registers": func() ([]byte, error) { return l.client.WriteMultipleRegisters(13, 1, []byte{0, 1}) },
		"mask":      func() ([]byte, error) { return l.client.MaskWriteRegister(13, 1, 1) },
		"readwrite": func() ([]byte, error) { return l.client.ReadWriteMultipleRegisters(1, 1, 1, 1, []byte{0, 1}) },
	} {
		if _, err := write(); reasonOf(err) != "not_allowed" {
			t.Errorf("%s: %v", name, err)
		}
	}
	if dialed {
		t.Error("it even connected")
	}
}

func TestNewRefusesDevicesItCannotPoll(t *testing.T) {
	t.Parallel()
	good := profile(t, twoPoints)
	mqtt := &device.Profile{Name: "g", Protocol: device.MQTT}
	for name, d := range map[string]device.Device{
		"no endpoint":      {ID: "x", Profile: good},
		"no profile":       {ID: "x", Modbus: &device.Endpoint{URL: "tcp://h:1"}},
		"another protocol": {ID: "x", Profile: mqtt, Modbus: &device.Endpoint{URL: "tcp://h:1"}},
		"a wrong url":      {ID: "x", Profile: good, Modbus: &device.Endpoint{URL: "h:1"}},
	} {
		_, err := New([]device.Device{d}, nil, Options{Clock: clock.NewSystem(), Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), "device x") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
