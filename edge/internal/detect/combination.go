package detect

import (
	"strconv"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// truth is what is known of one condition of a combination.
type truth uint8

const (
	unknown truth = iota
	no
	yes
)

// combination: several conditions on one device hold at once. It judges an
// instant when all Samples of it are in; otherwise a door that closes in the
// same message in which the car starts would count as open while running.
type combination struct {
	rule  *device.Rule
	level level
	parts []truth
}

var _ Settled = (*combination)(nil)

func newCombination(r *device.Rule) *combination {
	return &combination{rule: r, level: level{riseMS: r.For.Milliseconds()}, parts: make([]truth, len(r.All))}
}

func (d *combination) Step(dst []Change, s *telemetry.Sample, _ telemetry.Origin) []Change {
	for i := range d.rule.All {
		if c := &d.rule.All[i]; c.Metric == s.Key.Metric {
			d.parts[i] = no
			if c.Holds(s.Value) {
				d.parts[i] = yes
			}
		}
	}
	return dst
}

func (d *combination) Settle(dst []Change, atMS int64, now telemetry.Origin) []Change {
	switch d.whole() {
	case yes:
		return d.level.put(dst, true, atMS, now.MonoMS)
	case no:
		return d.level.put(dst, false, atMS, now.MonoMS)
	}
	return dst
}

// whole: one part that is known not to hold decides; an unknown one leaves
// the rest undecided.
func (d *combination) whole() truth {
	all := yes
	for _, p := range d.parts {
		switch p {
		case no:
			return no
		case unknown:
			all = unknown
		}
	}
	return all
}

func (d *combination) Lost(metric string) {
	for i := range d.rule.All {
		if d.rule.All[i].Metric == metric {
			d.parts[i] = unknown
		}
	}
}

func (d *combination) Tick(dst []Change, now telemetry.Origin) []Change {
	return d.level.tick(dst, now.MonoMS)
}

func (d *combination) Seed(telemetry.Origin) { d.level.seed() }
func (d *combination) Active() bool          { return d.level.active }

func (d *combination) Why() ticket.Title {
	return ticket.Title{Code: "combined", Params: map[string]string{
		"conditions": strconv.Itoa(len(d.rule.All)), "for": d.rule.For.String(),
	}}
}
