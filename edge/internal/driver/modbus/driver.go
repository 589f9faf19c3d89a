// Package modbus is the Driver for devices that are asked: Modbus TCP over
// goburrow's client and packager, with our own Transporter beneath.
//
// Each endpoint (a TCP address) has one actor with one connection and one
// queue, because terminals often bear no more. The actor asks what is due
// first; periods do not drift, a period that could not be kept is skipped and
// counted. A unit that does not answer is asked less and less often, at least
// every 30 s, and costs its neighbours no more than that one time-out. What a
// read brings is decoded and reported by exception: on change beyond the
// deadband, else at the point's heartbeat. A read that fails is a Sample of
// quality bad with a reason; what was taken over the wire is checked against
// its request, so that a late or foreign answer is never a value.
//
// Only function codes 1 to 4 exist here: nothing is ever written.
//
// The planner, the decoder, the latch and the schedule are pure.
package modbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/kit/clock"
)

// Stats counts what the driver does. Its methods must not block and are
// called from several goroutines.
type Stats interface {
	// Polled tells that a request was answered, well or with an exception,
	// after took.
	Polled(took time.Duration)
	// Failed tells that a read brought no value. reason is of a closed set.
	Failed(reason string)
	// Up tells that a device began or ceased to answer.
	Up(device string, up bool)
	// Skipped tells that n reads were left out because their time had passed.
	Skipped(n int)
}

// Options are what a Driver needs besides its devices.
type Options struct {
	Clock clock.Clock
	Log   *slog.Logger
	// Stats may be nil.
	Stats Stats
	// Dial may be nil: TCP with keep-alive.
	Dial Dial
	// DialEvery is the least time between two dials of one endpoint; 0: 1 s.
	DialEvery time.Duration
}

// Driver polls devices. Make one with New.
type Driver struct {
	lines []*line
}

var _ driver.Driver = (*Driver)(nil)

// New plans the polling of devices, all of which must have an Endpoint and a
// Profile that speaks Modbus. Samples go to sink.
func New(devices []device.Device, sink driver.Sink, o Options) (*Driver, error) {
	if o.Stats == nil {
		o.Stats = uncounted{}
	}
	if o.Dial == nil {
		o.Dial = dialTCP
	}
	if o.DialEvery == 0 {
		o.DialEvery = dialEvery
	}
	byAddress := map[string][]*unit{}
	var errs []error
	for _, d := range devices {
		u, address, err := newUnit(d)
		if err != nil {
			errs = append(errs, fmt.Errorf("device %s: %w", d.ID, err))
			continue
		}
		byAddress[address] = append(byAddress[address], u)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	drv := &Driver{}
	for _, address := range slices.Sorted(maps.Keys(byAddress)) {
		drv.lines = append(drv.lines, newLine(address, byAddress[address], sink, o))
	}
	return drv, nil
}

// Run implements driver.Driver. It returns an error only when the Sink has
// closed while ctx goes on.
func (d *Driver) Run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, l := range d.lines {
		group.Go(func() error { return l.run(ctx) })
	}
	return group.Wait()
}

// uncounted is the Stats of who does not count.
type uncounted struct{}

func (uncounted) Polled(time.Duration) {}
func (uncounted) Failed(string)        {}
func (uncounted) Up(string, bool)      {}
func (uncounted) Skipped(int)          {}
