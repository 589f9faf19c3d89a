package detect

import (
	"strconv"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// threshold: a value beyond a bound for a time, over when it is back past the
// clear level. Between the two nothing changes.
type threshold struct {
	rule  *device.Rule
	level level
	last  float64
}

var _ Sampled = (*threshold)(nil)

func newThreshold(r *device.Rule) *threshold {
	return &threshold{rule: r, level: level{riseMS: r.For.Milliseconds()}}
}

func (d *threshold) Step(dst []Change, s *telemetry.Sample, now telemetry.Origin) []Change {
	d.last = s.Value
	switch {
	case d.beyond(s.Value):
		return d.level.put(dst, true, s.AtMS, now.MonoMS)
	case d.back(s.Value):
		return d.level.put(dst, false, s.AtMS, now.MonoMS)
	}
	// In the band between bound and clear level the state stays as it is, and
	// a rise that was pending starts anew: it no longer lasts.
	return d.level.put(dst, d.level.active, s.AtMS, now.MonoMS)
}

func (d *threshold) beyond(v float64) bool {
	r := d.rule
	return r.Above != nil && v > *r.Above || r.Below != nil && v < *r.Below
}

func (d *threshold) back(v float64) bool {
	r := d.rule
	// Of a band, normal is what lies inside.
	if r.Clear == nil || r.Above != nil && r.Below != nil {
		return !d.beyond(v)
	}
	if r.Above != nil {
		return v <= *r.Clear
	}
	return v >= *r.Clear
}

// Lost changes nothing: a threshold has no fall that could be pending.
func (d *threshold) Lost(string) {}

func (d *threshold) Tick(dst []Change, now telemetry.Origin) []Change {
	return d.level.tick(dst, now.MonoMS)
}

func (d *threshold) Seed(telemetry.Origin) { d.level.seed() }
func (d *threshold) Active() bool          { return d.level.active }

func (d *threshold) Why() ticket.Title {
	p := map[string]string{"metric": d.rule.Metric, "value": number(d.last), "for": d.rule.For.String()}
	code := "above"
	switch {
	case d.rule.Below == nil, d.rule.Above != nil && d.last > *d.rule.Above:
		p["limit"] = number(*d.rule.Above)
	default:
		code, p["limit"] = "below", number(*d.rule.Below)
	}
	return ticket.Title{Code: code, Params: p}
}

func number(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }
