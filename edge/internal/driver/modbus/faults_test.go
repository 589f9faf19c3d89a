package modbus

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/simulators/modbussim"
)

// tellTale registers carry their own address and a counter that only grows:
// whatever is read from the wrong place or the wrong time shows.
func tellTale(u *modbussim.Unit, unit, turn int) {
	for _, address := range []int{0, 1, 40} {
		u.SetHolding(uint16(address), uint16(unit<<14|address<<8|turn&0xFF))
	}
}

// 10,000 faults over real TCP (a tenth with -short): never a
// wrong value, and good again at the next poll.
func TestTenThousandFaults(t *testing.T) {
	t.Parallel()
	faults := 10_000
	if testing.Short() {
		faults = 1000
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	server := serve(t)
	l := newLink(&transport{
		ctx: t.Context(), clock: clock.NewSystem(), address: server.Addr(), dial: dialTCP, every: time.Nanosecond,
	})
	defer l.transport.drop()
	blocks := []Block{{device.Holding, 0, 1}, {device.Holding, 0, 2}, {device.Holding, 40, 1}}
	wrongs := []modbussim.Fault{
		modbussim.WrongTransaction, modbussim.WrongProtocol, modbussim.WrongUnit, modbussim.WrongFunction, modbussim.WrongCount,
		modbussim.ZeroLength, modbussim.Oversize, modbussim.ShortFrame, modbussim.Twice, modbussim.Drip, modbussim.Previous,
		modbussim.HangUp, modbussim.Reset, modbussim.Exception(2), modbussim.Exception(6), modbussim.Late(2 * time.Millisecond),
	}
	wrong, unhealed := 0, 0
	for turn := range faults {
		unit := 1 + rng.IntN(3)
		u := server.Unit(uint8(unit))
		tellTale(u, unit, turn)
		fault := wrongs[rng.IntN(len(wrongs))]
		if rng.IntN(200) == 0 {
			fault = modbussim.Silence
		}
		u.Fault(fault, 1)
		check := func(timeout time.Duration) bool {
			b := blocks[rng.IntN(len(blocks))]
			answer, err := l.read(uint8(unit), b, timeout)
			if err != nil {
				return false
			}
			for i := range b.Count {
				want := unit<<14 | (int(b.Address)+i)<<8 | turn&0xFF
				if got := int(answer[2*i])<<8 | int(answer[2*i+1]); got != want {
					wrong++
					t.Errorf("turn %d, fault %+v: %v said %#x, want %#x", turn, fault, b, got, want)
				}
			}
			return true
		}
		impatient := 20 * time.Millisecond
		if fault == modbussim.Late(2*time.Millisecond) {
			impatient = time.Millisecond
		}
		check(impatient)
		if !check(10 * time.Second) {
			unhealed++
			t.Errorf("turn %d: not good after %+v", turn, fault)
		}
		if wrong+unhealed > 10 {
			t.Fatal("giving up")
		}
	}
}

// The same through the whole driver: what reaches the Sink is true or bad.
func TestTheDriverNeverLies(t *testing.T) {
	t.Parallel()
	server := serve(t)
	p := profile(t, `
  - {name: v, register: holding, address: 0, type: uint16, every: 20ms}
  - {name: w, register: holding, address: 40, type: uint16, every: 20ms}`)
	var ds []device.Device
	for unit := 1; unit <= 3; unit++ {
		tellTale(server.Unit(uint8(unit)), unit, 0)
		ds = append(ds, device.Device{
			ID: string(rune('a' + unit - 1)), Kind: "test", Profile: p, Modbus: &device.Endpoint{URL: server.URL(), Unit: uint8(unit)},
		})
	}
	for unit := uint8(1); unit <= 3; unit++ {
		for _, f := range []modbussim.Fault{modbussim.Previous, modbussim.Twice, modbussim.WrongUnit, modbussim.None, modbussim.Reset} {
			server.Unit(unit).Fault(f, 1)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	sink := &judge{stop: cancel}
	drv, err := New(ds, sink, Options{Clock: clock.NewSystem(), Log: slog.New(slog.DiscardHandler), DialEvery: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if err := drv.Run(ctx); err != nil {
		t.Fatal(err)
	}
	for _, lie := range sink.lies {
		t.Errorf("a lie: %+v", lie)
	}
}

// judge is a Sink that knows the truth; it stops the driver once all six
// series were good after the faults.
type judge struct {
	record
	stop context.CancelFunc
	good map[telemetry.SeriesKey]bool
	lies []telemetry.Sample
}

func (j *judge) Put(_ context.Context, b driver.Batch) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, s := range b.Samples {
		address := map[string]int{"v": 0, "w": 40}[s.Key.Metric]
		unit := int(s.Key.Device[0]-'a') + 1
		switch {
		case s.Key.Metric == driver.Online:
		case s.Quality == telemetry.Bad && s.Reason == "":
			j.lies = append(j.lies, s)
		case s.Quality != telemetry.Bad && s.Value != float64(unit<<14|address<<8):
			j.lies = append(j.lies, s)
		case s.Quality == telemetry.Good:
			if j.good == nil {
				j.good = map[telemetry.SeriesKey]bool{}
			}
			j.good[s.Key] = true
		}
	}
	if len(j.good) == 6 {
		j.stop()
	}
	return nil
}
