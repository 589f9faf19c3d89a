package detect

import (
	"slices"

	"github.com/linshao/linshao/edge/internal/device"
)

// reachable is the metric that drivers report reachability under
// (driver.Online; a test of flow compares the two). Rules may name it, but it
// is no sign of life and no metric like any other.
const reachable = "online"

// model is what devices that are judged alike have in common. Their rules are
// kept once: an estate has many devices and few models.
type model struct {
	profile *device.Profile
	kind    string
}

// rulesOf returns the rules that judge d.
func (b *Bank) rulesOf(d device.Device) []device.Rule {
	m := model{d.Profile, d.Kind}
	named := slices.ContainsFunc(b.estate, func(r device.Rule) bool { return r.Device == d.ID })
	if rules, known := b.models[m]; known && !named {
		return rules
	}
	var rules []device.Rule
	if d.Profile == nil {
		rules = judgedBy(b.estate, d.ID, d.Kind)
	} else {
		rules, _ = d.RulesOf(b.estate)
	}
	if !named {
		b.models[m] = rules
	}
	return rules
}

// meet makes the Detectors of a device that was not named to New.
func (b *Bank) meet(id, kind string) *unit {
	return b.open(id, kind, b.rulesOf(device.Device{ID: id, Kind: kind}), nil)
}

// open makes the Detectors of a device. It keeps rules.
func (b *Bank) open(id, kind string, rules []device.Rule, points []device.Point) *unit {
	u := &unit{id: id, kind: kind, series: map[string]*series{}}
	b.units[id] = u
	for i := range rules {
		switch r := &rules[i]; {
		case r.Detector == device.OnEvent:
			u.notified = append(u.notified, b.place(u, r, "", nil))
		case r.Detector == device.Combination:
			var inputs []string
			for _, c := range r.All {
				inputs = append(inputs, c.Metric)
			}
			b.place(u, r, "", inputs)
		case r.Metric == device.Any:
			u.wild = append(u.wild, r)
		case r.Metric == "":
			u.every = append(u.every, b.place(u, r, "", nil))
		default:
			b.place(u, r, r.Metric, []string{r.Metric})
		}
	}
	for _, q := range points {
		if len(u.wild) > 0 {
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
	if metric == reachable || u.wildCount >= maxWildSeries {
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
