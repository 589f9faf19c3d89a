package detect

import (
	"slices"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver"
)

// open makes the Detectors of a device.
func (b *Bank) open(id, kind string, p *device.Profile) *unit {
	u := &unit{id: id, kind: kind, series: map[string]*series{}}
	b.units[id] = u
	for _, r := range rulesFor(b.estate, id, kind, p) {
		switch {
		case r.Detector == device.OnEvent:
			u.notified = append(u.notified, b.place(u, r, "", nil))
		case r.Detector == device.Combination:
			var inputs []string
			for _, c := range r.All {
				inputs = append(inputs, c.Metric)
			}
			b.place(u, r, "", inputs)
		case r.Metric == Any:
			u.wild = append(u.wild, r)
		case r.Metric == "":
			u.every = append(u.every, b.place(u, r, "", nil))
		default:
			b.place(u, r, r.Metric, []string{r.Metric})
		}
	}
	if p != nil && len(u.wild) > 0 {
		for _, q := range p.Points {
			b.discover(u, q.Name)
		}
	}
	return u
}

// place makes one Detector and hangs it to its series, each once.
func (b *Bank) place(u *unit, r *device.Rule, metric string, inputs []string) *watch {
	w := &watch{unit: u, metric: metric, det: build(r), rule: r}
	b.watches = append(b.watches, w)
	for i, name := range inputs {
		s := u.series[name]
		if s == nil {
			s = &series{metric: name}
			u.series[name] = s
		}
		if !slices.Contains(inputs[:i], name) {
			s.watches = append(s.watches, w)
			w.inputs = append(w.inputs, s)
		}
	}
	return w
}

// discover makes the Detectors that rules for any metric ask for, when a
// metric is first seen. It returns nil if nobody judges the metric.
func (b *Bank) discover(u *unit, metric string) *series {
	if metric == driver.Online || u.wildCount >= maxWildSeries {
		return u.series[metric]
	}
	u.wildCount++
	for _, r := range u.wild {
		b.place(u, r, metric, []string{metric})
	}
	s := u.series[metric]
	s.discovered = true
	return s
}
