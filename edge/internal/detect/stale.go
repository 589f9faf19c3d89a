package detect

import (
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// stale: nothing with a value was heard for a time. Only the edge's monotonic
// time of arrival counts: a device whose clock is wrong is not silent, and a
// wall clock that jumps silences nobody.
type stale struct {
	rule *device.Rule
	// heardMS is the monotonic time of the last good Sample, or of the first
	// look if there was none; a device that never speaks is silent too.
	heardMS int64
	started bool
	active  bool
}

var _ Sampled = (*stale)(nil)

func newStale(r *device.Rule) *stale { return &stale{rule: r} }

func (d *stale) Step(dst []Change, s *telemetry.Sample, now telemetry.Origin) []Change {
	d.started, d.heardMS = true, now.MonoMS
	if !d.active {
		return dst
	}
	d.active = false
	return append(dst, Change{AtMS: s.AtMS})
}

func (d *stale) Lost(string) {}

func (d *stale) Tick(dst []Change, now telemetry.Origin) []Change {
	if !d.started {
		d.started, d.heardMS = true, now.MonoMS
	}
	if d.active || now.MonoMS-d.heardMS < d.rule.After.Milliseconds() {
		return dst
	}
	d.active = true
	return append(dst, Change{Active: true, AtMS: now.EdgeMS})
}

func (d *stale) Seed(now telemetry.Origin) { d.active, d.started, d.heardMS = true, true, now.MonoMS }
func (d *stale) Active() bool              { return d.active }

func (d *stale) Why() ticket.Title {
	return ticket.Title{Code: "silent", Params: map[string]string{"metric": d.rule.Metric, "after": d.rule.After.String()}}
}
