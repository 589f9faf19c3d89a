// Package live lets a simulated estate speak its real protocols: gates and
// robots publish over MQTT, lift terminals answer over Modbus TCP, a silent
// device is really silent. It owns the goroutines and sockets that the pure
// models of package estate do not have.
package live

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/linshao/linshao/simulators/estate"
	"github.com/linshao/linshao/simulators/modbussim"
	"github.com/linshao/linshao/simulators/mqttsim"
	"github.com/linshao/linshao/simulators/pace"
	"github.com/linshao/linshao/simulators/truth"
)

// Options of one estate. Plan and Log are required.
type Options struct {
	Name string
	Plan estate.Plan
	Seed uint64
	// Start is the virtual time to begin at, WallStart the wall time that
	// goes with it.
	Start, WallStart time.Time
	// Speed is virtual seconds per second, > 0.
	Speed float64
	// MQTT is the gateway's tcp://host:port; Passwords go by device.
	MQTT      string
	Passwords map[string]string
	// Modbus is the host:port on which lift terminals answer.
	Modbus string
	// Acked, if set, hears of every message the gateway acknowledged; it is
	// called from several goroutines.
	Acked func(mqttsim.Entry)
	Log   *slog.Logger
}

// Estate is an estate on the wire. Methods are safe for concurrent use.
type Estate struct {
	o       Options
	pace    pace.Pace
	modbus  *modbussim.Server
	talkers map[string]*mqttsim.Device

	mu     sync.Mutex // guards all below
	model  *estate.Estate
	silent map[string]bool // as last told to the wire
}

// Open builds the estate and, if it has lifts, listens for Modbus masters.
// Nothing moves until Run; Close is due whether Run was called or not.
func Open(o Options) (*Estate, error) {
	model, err := estate.New(o.Plan, o.Seed, o.Start.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("build estate: %w", err)
	}
	e := &Estate{
		o: o, model: model, pace: pace.New(o.WallStart.UnixMilli(), o.Start.UnixMilli(), o.Speed),
		talkers: map[string]*mqttsim.Device{}, silent: map[string]bool{},
	}
	for _, d := range o.Plan.Devices {
		if d.Kind == estate.Elevator {
			if err := e.listen(); err != nil {
				return nil, err
			}
			continue
		}
		e.talkers[d.ID] = mqttsim.New(mqttsim.Options{
			URL: o.MQTT, Device: d.ID, Password: o.Passwords[d.ID], Log: o.Log, Acked: o.Acked,
		})
	}
	e.showLifts()
	return e, nil
}

func (e *Estate) listen() error {
	if e.modbus != nil {
		return nil
	}
	server, err := modbussim.New(e.o.Modbus)
	if err != nil {
		return fmt.Errorf("open modbus of %s: %w", e.o.Name, err)
	}
	e.modbus = server
	return nil
}

// Close ends the Modbus side. MQTT ends with Run.
func (e *Estate) Close() error {
	if e.modbus == nil {
		return nil
	}
	return e.modbus.Close()
}

// Run lets the estate live until ctx ends.
func (e *Estate) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, d := range e.talkers {
		g.Go(func() error { return d.Run(ctx) })
	}
	g.Go(func() error {
		// At high speed one beat covers several ticks of the models.
		beat := time.NewTicker(e.pace.Every(estate.TickMS*time.Millisecond, 50*time.Millisecond))
		defer beat.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case now := <-beat.C:
				e.Step(now)
			}
		}
	})
	return g.Wait()
}

// Step lives up to a wall time and puts what happened on the wire. Run calls
// it; a caller that owns the time may instead.
func (e *Estate) Step(now time.Time) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range e.model.Advance(e.pace.Virtual(now.UnixMilli())) {
		d, ok := e.talkers[r.Device]
		if !ok {
			continue
		}
		d.Offer(mqttsim.Message{AtMS: e.pace.Wall(r.AtMS), Values: r.Values, Event: r.Event, Data: r.Data})
	}
	e.showLifts()
	e.showSilence()
}

// showLifts writes the terminals' registers. Callers hold mu, or are alone.
func (e *Estate) showLifts() {
	for _, d := range e.o.Plan.Devices {
		if d.Kind != estate.Elevator {
			continue
		}
		t, err := e.model.Terminal(d.ID)
		if err != nil {
			continue // the kind was just checked
		}
		e.modbus.Unit(d.Unit).SetLift(image(t))
	}
}

// showSilence makes devices fall off the wire and come back.
func (e *Estate) showSilence() {
	for _, d := range e.o.Plan.Devices {
		now := e.model.Silent(d.ID)
		if now == e.silent[d.ID] {
			continue
		}
		e.silent[d.ID] = now
		if talker, ok := e.talkers[d.ID]; ok {
			talker.Mute(now)
			continue
		}
		unit := e.modbus.Unit(d.Unit)
		unit.Heal()
		if now {
			unit.Fault(modbussim.Silence, -1)
		}
	}
}

// image is what the terminal's registers hold.
func image(t estate.Terminal) modbussim.Lift {
	return modbussim.Lift{
		Faults: uint16(t.Faults), Up: t.Up, Down: t.Down, Level: t.Level, DoorOpen: t.Door,
		Person: t.Person, Inspection: t.Inspection, AlarmKey: t.AlarmKey,
		Floor: int8(t.Floor), SpeedMS: t.SpeedMS,
		DoorOpenings: t.DoorOpenings, FloorsTravelled: t.FloorsTravelled,
		Acceleration: 0.8, Deceleration: 0.8, MaxStart: 1, MaxBrake: 1,
		VibrationZ: uint8(t.VibrationZ), VibrationY: uint8(t.VibrationXY), VibrationX: uint8(t.VibrationXY), NoiseDB: 45,
		FloorsAbove: uint8(t.Floors), StoreyM: t.StoreyM, MotorC: t.MotorC,
	}
}

// Begin brings on a fault; lasts is virtual time, 0 for the fault's own.
func (e *Estate) Begin(f estate.Fault, device string, lasts time.Duration) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.model.Begin(f, device, lasts); err != nil {
		return err
	}
	e.o.Log.Debug("fault begins", "estate", e.o.Name, "device", device, "fault", string(f))
	return nil
}

// Mend ends a fault.
func (e *Estate) Mend(f estate.Fault, device string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.model.Mend(f, device)
}

// Name is the estate's id.
func (e *Estate) Name() string { return e.o.Name }

// Devices lists the devices.
func (e *Estate) Devices() []estate.Device { return e.o.Plan.Devices }

// Values is what a device would measure now.
func (e *Estate) Values(device string) (map[string]any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.model.Values(device)
}

// Truth is what went wrong so far, in wall time.
func (e *Estate) Truth() []truth.Fault {
	e.mu.Lock()
	defer e.mu.Unlock()
	var out []truth.Fault
	for _, p := range e.model.Episodes() {
		f := truth.Fault{Device: p.Device, Fault: string(p.Fault), FromMS: e.pace.Wall(p.FromMS)}
		if p.ToMS != 0 {
			f.ToMS = e.pace.Wall(p.ToMS)
		}
		out = append(out, f)
	}
	return out
}
