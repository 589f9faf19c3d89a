package modbus

import (
	"log/slog"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/edge/internal/driver/drivertest"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/simulators/modbussim"
)

func TestContract(t *testing.T) {
	t.Parallel()
	p := profile(t, "\n  - {name: v, register: holding, address: 0, type: uint16, every: 20ms}")
	drivertest.Run(t, func(t *testing.T, sink driver.Sink) drivertest.Bench {
		server := serve(t)
		unit := server.Unit(1)
		unit.SetHolding(0, 0)
		d := device.Device{ID: "a", Kind: "test", Profile: p, Modbus: &device.Endpoint{URL: server.URL(), Unit: 1}}
		drv, err := New([]device.Device{d}, sink, Options{
			Clock: clock.NewSystem(), Log: slog.New(slog.DiscardHandler), DialEvery: time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		return drivertest.Bench{
			Driver: drv, Device: "a", Metric: "v",
			Say:   func(v float64) { unit.SetHolding(0, uint16(v)) },
			Break: func() { unit.Fault(modbussim.HangUp, -1) },
			Mend:  unit.Heal,
		}
	})
}
