package modbus

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/linshao/linshao/edge/internal/device"
)

// poll is one block that is read with one period, and the points in it.
type poll struct {
	block  Block
	every  time.Duration
	points []*point
	// due is when it is to be read next, on the monotonic clock.
	due time.Duration
	// refusals counts exceptions in a row that more asking will not mend.
	refusals int
}

// planPolls turns a profile into polls: points with equal periods share
// blocks, so that a fast group stays small and cheap.
func planPolls(p *device.Profile) ([]*poll, error) {
	groups := map[time.Duration][]device.Point{}
	for _, q := range p.Points {
		groups[q.Every] = append(groups[q.Every], q)
	}
	lim := Limits{
		MaxRegisters: p.Modbus.MaxRegisters, MaxCoils: p.Modbus.MaxCoils,
		MaxHole: *p.Modbus.MaxHole, NeverRead: p.Modbus.NeverRead,
	}
	var polls []*poll
	for _, every := range slices.Sorted(maps.Keys(groups)) {
		blocks, err := PlanBlocks(places(groups[every]), lim)
		if err != nil {
			return nil, fmt.Errorf("plan profile %s: %w", p.Name, err)
		}
		for _, b := range blocks {
			polls = append(polls, &poll{block: b, every: every, points: pointsIn(b, groups[every])})
		}
	}
	return polls, nil
}

// places lists where the points keep their values, once each: several points
// may be fields of one register.
func places(points []device.Point) []Block {
	var regs []Block
	for _, q := range points {
		if b := place(q); !slices.Contains(regs, b) {
			regs = append(regs, b)
		}
	}
	return regs
}

func place(q device.Point) Block {
	return Block{Register: q.Register, Address: q.Address, Count: q.Type.Registers()}
}

func pointsIn(b Block, all []device.Point) []*point {
	var in []*point
	for _, q := range all {
		if w := place(q); w.Register == b.Register && w.Address >= b.Address && w.end() <= b.end() {
			in = append(in, newPoint(q, int(q.Address)-int(b.Address)))
		}
	}
	return in
}

// Describe says in one line per request how a profile's devices are polled,
// such as "every 1s: holding 1-12: going_up, …".
func Describe(p *device.Profile) ([]string, error) {
	polls, err := planPolls(p)
	if err != nil {
		return nil, err
	}
	lines := make([]string, len(polls))
	for i, l := range polls {
		names := make([]string, len(l.points))
		for j, q := range l.points {
			names[j] = q.Name
		}
		lines[i] = fmt.Sprintf("every %v: %v: %s", l.every, l.block, strings.Join(names, ", "))
	}
	return lines, nil
}
