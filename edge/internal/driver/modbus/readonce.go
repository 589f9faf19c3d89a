package modbus

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
)

// Reading is one point as it stood when it was read.
type Reading struct {
	Point device.Point
	Value float64
	// Word is the value's name in the point's enum, if it has one.
	Word    string
	Quality telemetry.Quality
	Reason  string
}

// ReadOnce reads every point of p once, for people who look at a device. A
// point that could not be read is a bad Reading; the error is for an endpoint
// that cannot be reached at all. dial may be nil.
func ReadOnce(ctx context.Context, c clock.Clock, e device.Endpoint, p *device.Profile, dial Dial) ([]Reading, error) {
	address, err := e.Address()
	if err != nil {
		return nil, err
	}
	polls, err := planPolls(p)
	if err != nil {
		return nil, err
	}
	if dial == nil {
		dial = dialTCP
	}
	l := newLink(&transport{
		ctx: ctx, clock: c, address: address, dial: dial, every: dialEvery,
		pause: p.Modbus.ConnectPause, timeout: p.Modbus.Timeout,
	})
	defer l.transport.drop()
	if err := l.transport.connect(); err != nil {
		return nil, fmt.Errorf("connect to %s: %w", address, err)
	}
	byName := map[string]Reading{}
	for _, poll := range polls {
		answer, err := l.read(e.Unit, poll.block, p.Modbus.Timeout)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for _, q := range poll.points {
			r := Reading{Point: q.Point, Quality: telemetry.Bad}
			if err != nil {
				r.Reason = reasonOf(err)
			} else {
				r.Value, r.Quality, r.Reason = q.read(answer, c.Mono())
				r.Word = q.Enum[r.Value]
			}
			byName[q.Name] = r
		}
	}
	readings := make([]Reading, len(p.Points))
	for i, q := range p.Points {
		readings[i] = byName[q.Name]
	}
	return readings, nil
}

// ParseRegisters turns SPACE:ADDRESS:COUNT:TYPE[:ORDER], such as
// holding:100:2:float32, into a profile of its own for ReadOnce. COUNT is in
// registers, or in bits for coil and discrete; it must be a whole number of
// values.
func ParseRegisters(s string) (*device.Profile, error) {
	bad := func(why string) error {
		return fmt.Errorf("register %q: %s: write SPACE:ADDRESS:COUNT:TYPE[:ORDER], such as holding:100:2:float32", s, why)
	}
	f := strings.Split(s, ":")
	if len(f) == 4 {
		f = append(f, string(device.ABCD))
	}
	if len(f) != 5 {
		return nil, bad("it has not four or five parts")
	}
	address, errA := strconv.ParseUint(f[1], 0, 16)
	count, errC := strconv.ParseUint(f[2], 10, 16)
	width := device.Type(f[3]).Registers()
	switch {
	case errA != nil:
		return nil, bad("the address is not 0 to 65535")
	case width == 0:
		return nil, bad("the type is unknown")
	case errC != nil || count == 0 || count > device.MaxCoils || int(count)%width != 0:
		return nil, bad(fmt.Sprintf("%s takes %d registers each", f[3], width))
	case address+count > 1<<16:
		return nil, bad("it reaches past the last register")
	}
	text := "profile: ad-hoc\nkind: ad-hoc\nprotocol: modbus\nmodbus: {max_hole: 0}\npoints:\n"
	for i := range int(count) / width {
		at := int(address) + i*width
		text += fmt.Sprintf("  - {name: %q, register: %q, address: %d, type: %q, order: %q}\n", "r"+strconv.Itoa(at), f[0], at, f[3], f[4])
	}
	p, err := device.Compile("--register", []byte(text))
	if err != nil {
		return nil, bad(err.Error())
	}
	return p, nil
}
