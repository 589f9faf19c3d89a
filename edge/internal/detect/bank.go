package detect

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// maxWildSeries bounds the series that one device can have Detectors made for
// by inventing metric names; metrics that a rule names are not counted.
const maxWildSeries = 1024

// Bank holds all Detectors of an edge. One goroutine owns it.
type Bank struct {
	estate  []device.Rule
	units   map[string]*unit
	models  map[model][]device.Rule
	watches []*watch
	// changes and dirty are scratch space of one call.
	changes []Change
	dirty   []*watch
	// dirtyMS is the instant that dirty Detectors have seen a part of.
	dirtyMS int64
}

// unit is one device.
type unit struct {
	id, kind string
	series   map[string]*series
	// every are Detectors fed by all metrics (silence of a whole device).
	every []*watch
	// notified are those fed by Events.
	notified []*watch
	// wild are rules whose metric is Any; their Detectors are made when a
	// metric is first seen.
	wild      []*device.Rule
	wildCount int
}

// New builds the Detectors of devices from their profiles' rules and those of
// the estate's file. Devices not among them are judged by the estate's rules
// from when they first speak, except by combinations whose words only a
// profile could turn into numbers. The error names every rule that cannot be
// judged.
func New(estate []device.Rule, devices []device.Device) (*Bank, error) {
	b := &Bank{estate: slices.Clone(estate), units: make(map[string]*unit, len(devices)), models: map[model][]device.Rule{}}
	var errs []error
	for i := range estate {
		errs = append(errs, checkUnbound(&estate[i]))
	}
	for _, d := range devices {
		rules := b.rulesOf(d)
		var points []device.Point
		if d.Profile != nil {
			points = d.Profile.Points
		}
		sound := true
		for i := range rules {
			if err := Check(&rules[i]); err != nil {
				errs, sound = append(errs, fmt.Errorf("device %s: %w", d.ID, err)), false
			}
		}
		if sound {
			b.open(d.ID, d.Kind, rules, points)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return b, nil
}

// Step judges the Samples of one device, in the order it said them, and
// appends to dst what follows. Historical Samples are passed over.
func (b *Bank) Step(dst []Finding, samples []telemetry.Sample, now telemetry.Origin) []Finding {
	for i := range samples {
		s := &samples[i]
		if s.Marks.Has(telemetry.Historical) {
			continue
		}
		if len(b.dirty) > 0 && b.dirtyMS != s.AtMS {
			dst = b.settle(dst, now)
		}
		dst = b.step(dst, s, now)
	}
	return b.settle(dst, now)
}

func (b *Bank) step(dst []Finding, s *telemetry.Sample, now telemetry.Origin) []Finding {
	u := b.units[s.Key.Device]
	if u == nil {
		u = b.meet(s.Key.Device, s.Key.Kind)
	}
	if s.Quality != telemetry.Bad && s.Key.Metric != reachable {
		for _, w := range u.every {
			dst = b.feed(dst, w, s, now)
		}
	}
	sr := u.series[s.Key.Metric]
	if len(u.wild) > 0 && (sr == nil || !sr.discovered) {
		sr = b.discover(u, s.Key.Metric)
	}
	if sr == nil {
		return dst
	}
	if s.Quality == telemetry.Bad || s.Text == "" && !finite(s.Value) {
		for _, w := range sr.watches {
			w.det.(Sampled).Lost(sr.metric)
		}
		return dst
	}
	if s.Text == "" {
		sr.remember(s)
	}
	for _, w := range sr.watches {
		// A word has no number to judge, but whoever says it is not silent.
		if _, silence := w.det.(*stale); s.Text == "" || silence {
			dst = b.feed(dst, w, s, now)
		}
	}
	return dst
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func (b *Bank) feed(dst []Finding, w *watch, s *telemetry.Sample, now telemetry.Origin) []Finding {
	b.changes = w.det.(Sampled).Step(b.changes[:0], s, now)
	if _, later := w.det.(Settled); later && !w.dirty {
		w.dirty = true
		b.dirty, b.dirtyMS = append(b.dirty, w), s.AtMS
	}
	return b.report(dst, w)
}

// settle lets those Detectors judge that look at several series: all Samples
// of one instant are in.
func (b *Bank) settle(dst []Finding, now telemetry.Origin) []Finding {
	for _, w := range b.dirty {
		w.dirty = false
		b.changes = w.det.(Settled).Settle(b.changes[:0], b.dirtyMS, now)
		dst = b.report(dst, w)
	}
	b.dirty = b.dirty[:0]
	return dst
}

// Notify judges one Event. Events are judged whatever their age: one that
// was held up by a cut is still news.
func (b *Bank) Notify(dst []Finding, e *telemetry.Event, now telemetry.Origin) []Finding {
	u := b.units[e.Device]
	if u == nil {
		u = b.meet(e.Device, e.Kind)
	}
	for _, w := range u.notified {
		b.changes = w.det.(Notified).Notify(b.changes[:0], e, now)
		before := len(dst)
		dst = b.report(dst, w)
		for i := before; i < len(dst); i++ {
			dst[i].Evidence = []ticket.Evidence{{Metric: e.Name, AtMS: e.AtMS, Value: 1}}
		}
	}
	return dst
}

// Tick completes what time alone completes. Calling it about once a second
// is meant; now.MonoMS must not run backwards.
func (b *Bank) Tick(dst []Finding, now telemetry.Origin) []Finding {
	for _, w := range b.watches {
		if b.changes = w.det.Tick(b.changes[:0], now); len(b.changes) > 0 {
			dst = b.report(dst, w)
		}
	}
	return dst
}

// Seed says that a condition was active when the edge stopped. It reports
// false if nobody judges that condition any more, so that it must be ended by
// the caller.
func (b *Bank) Seed(dev, rule, metric string, now telemetry.Origin) bool {
	u := b.units[dev]
	if u == nil {
		return false
	}
	if s := u.series[metric]; metric != "" && len(u.wild) > 0 && (s == nil || !s.discovered) {
		b.discover(u, metric)
	}
	for _, w := range b.watches {
		if w.unit == u && w.rule.ID == rule && w.metric == metric {
			w.det.Seed(now)
			return true
		}
	}
	return false
}

// Active reports whether any condition on that series holds.
func (b *Bank) Active(dev, metric string) bool {
	u := b.units[dev]
	if u == nil || u.series[metric] == nil {
		return false
	}
	for _, w := range u.series[metric].watches {
		if w.det.Active() {
			return true
		}
	}
	return false
}

// report turns b.changes of w into Findings.
func (b *Bank) report(dst []Finding, w *watch) []Finding {
	for _, c := range b.changes {
		why := w.det.Why()
		if w.metric != "" {
			why.Params["metric"] = w.metric
		}
		dst = append(dst, Finding{
			Rule: w.rule, Device: w.unit.id, Kind: w.unit.kind, Metric: w.metric,
			Active: c.Active, AtMS: c.AtMS, Evidence: w.evidence(), Reason: why,
		})
	}
	return dst
}
