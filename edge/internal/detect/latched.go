package detect

import (
	"time"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// latchRest is how long a bit must have been 0 before its condition is over:
// terminals let fault bits flicker, and a flicker is one episode.
const latchRest = time.Second

// latched: a flag, or one bit of a word, is set.
type latched struct {
	rule  *device.Rule
	level level
	last  float64
}

var _ Sampled = (*latched)(nil)

func newLatched(r *device.Rule) *latched {
	return &latched{rule: r, level: level{riseMS: r.For.Milliseconds(), fallMS: latchRest.Milliseconds()}}
}

func (d *latched) Step(dst []Change, s *telemetry.Sample, now telemetry.Origin) []Change {
	d.last = s.Value
	return d.level.put(dst, d.set(s.Value), s.AtMS, now.MonoMS)
}

func (d *latched) set(v float64) bool {
	if d.rule.Bit == nil {
		return v != 0
	}
	return v >= 1 && uint64(v)>>*d.rule.Bit&1 == 1
}

func (d *latched) Lost(string) { d.level.lost() }
func (d *latched) Tick(dst []Change, now telemetry.Origin) []Change {
	return d.level.tick(dst, now.MonoMS)
}
func (d *latched) Seed(telemetry.Origin) { d.level.seed() }
func (d *latched) Active() bool          { return d.level.active }

func (d *latched) Why() ticket.Title {
	return ticket.Title{Code: "flag_set", Params: map[string]string{"metric": d.rule.Metric, "value": number(d.last)}}
}
