package device

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/topic"
)

// meaning lists, for each detector, the keys that count, besides those that
// every rule has.
func meaning(d Detector) (keys []string, known bool) {
	switch d {
	case Threshold:
		return []string{"metric", "above", "below", "clear", "for"}, true
	case Stale:
		return []string{"metric", "after"}, true
	case Combination:
		return []string{"metric", "all", "for"}, true
	case Latched:
		return []string{"metric", "bit", "for"}, true
	case OnEvent:
		return []string{"event", "clear_event", "after"}, true
	}
	return nil, false
}

// given lists the keys of the file that the rule has.
func (r Rule) given() []string {
	var keys []string
	for _, k := range []struct {
		key   string
		given bool
	}{
		{"metric", r.Metric != ""},
		{"above", r.Above != nil},
		{"below", r.Below != nil},
		{"clear", r.Clear != nil},
		{"for", r.For != 0},
		{"after", r.After != 0},
		{"all", len(r.All) > 0},
		{"bit", r.Bit != nil},
		{"event", r.Event != ""},
		{"clear_event", r.ClearEvent != ""},
	} {
		if k.given {
			keys = append(keys, k.key)
		}
	}
	return keys
}

// Mistakes returns what is wrong with a rule that is to judge devices of
// profile p. Paths are seen from the rule.
func (r Rule) Mistakes(p *Profile) []Mistake {
	var l list
	if !topic.Valid(r.ID) {
		l.add(at("id"), "write an id of a-z, 0-9, . _ -", "rule id %q is not valid", r.ID)
	}
	if r.Kind != "" && r.Kind != Any && r.Kind != p.Kind {
		l.add(at("kind"), "write "+p.Kind+" or leave it out", "the profile's kind is %s, the rule's %s", p.Kind, r.Kind)
	}
	switch r.Severity {
	case ticket.Critical, ticket.Major, ticket.Minor, ticket.Warning:
	default:
		l.add(at("severity"), "write critical, major, minor or warning", "severity %q is unknown", r.Severity)
	}
	keys, known := meaning(r.Detector)
	if !known {
		l.add(at("detector"), "write threshold, stale, combination, latched or event", "detector %q is unknown", r.Detector)
		return l
	}
	for _, key := range r.given() {
		if !slices.Contains(keys, key) {
			l.add(at(key), "remove it; "+string(r.Detector)+" knows "+strings.Join(keys, ", "), "%s means nothing to %s", key, r.Detector)
		}
	}
	if r.Metric != "" && r.Metric != Any && !p.hasMetric(r.Metric) {
		l.add(at("metric"), "use a point of the profile, or "+online, "%s has no point %s", p.Name, r.Metric)
	}
	if r.For < 0 || r.For > 24*time.Hour {
		l.add(at("for"), "write 0s to 24h", "for %v is out of range", r.For)
	}
	r.checkDetector(p, &l)
	return l
}

func (p *Profile) hasMetric(name string) bool {
	_, ok := p.Point(name)
	return ok || name == online
}

func (r Rule) checkDetector(p *Profile, l *list) {
	switch r.Detector {
	case Threshold:
		r.checkThreshold(l)
	case Stale:
		if r.After < time.Second || r.After > 35*24*time.Hour {
			l.add(at("after"), "write how long silence may last, 1s to 840h", "after %v is out of range", r.After)
		}
	case Combination:
		r.checkCombination(p, l)
	case Latched:
		if r.Metric == "" {
			l.add(at("metric"), "name a latched point", "metric is missing")
		}
		if r.Bit != nil && *r.Bit > 63 {
			l.add(at("bit"), "count from 0, the lowest, to 63", "there is no bit %d", *r.Bit)
		}
	case OnEvent:
		r.checkEvents(p, l)
		if r.After < 0 || r.After > 35*24*time.Hour {
			l.add(at("after"), "write after how long it counts as over, up to 840h", "after %v is out of range", r.After)
		}
	}
}

func (r Rule) checkThreshold(l *list) {
	if r.Metric == "" {
		l.add(at("metric"), "name a point", "metric is missing")
	}
	switch {
	case r.Above == nil && r.Below == nil:
		l.add(at("above"), "write above, below or both", "a threshold needs a bound")
	case r.Above != nil && r.Below != nil && r.Clear != nil:
		l.add(at("clear"), "remove it, or one of the bounds", "clear belongs to one bound, there are two")
	case r.Above != nil && r.Below != nil && *r.Below >= *r.Above:
		l.add(at("below"), "put below under above", "no value is normal")
	case r.Clear == nil:
	case r.Above != nil && *r.Clear > *r.Above, r.Below != nil && *r.Clear < *r.Below:
		l.add(at("clear"), "put it on the normal side of the bound", "clear %v lies beyond the bound", *r.Clear)
	}
}

func (r Rule) checkCombination(p *Profile, l *list) {
	if len(r.All) == 0 {
		l.add(at("all"), "write all: [{metric: mode, equals: auto}, …]", "there is no condition")
	}
	for i, c := range r.All {
		if !p.hasMetric(c.Metric) {
			l.add(at("all", i, "metric"), "use a point of the profile, or "+online, "%s has no point %q", p.Name, c.Metric)
		}
		n := 0
		for _, given := range []bool{c.Equals != nil, c.Above != nil, c.Below != nil} {
			if given {
				n++
			}
		}
		if n != 1 {
			l.add(at("all", i), "write one of equals, above, below", "a condition has one test, this one has %d", n)
		}
	}
}

func (r Rule) checkEvents(p *Profile, l *list) {
	if !p.HasEvent(r.Event) {
		l.add(at("event"), "use an event of the profile", "%s has no event %q", p.Name, r.Event)
	}
	if r.ClearEvent != "" && !p.HasEvent(r.ClearEvent) {
		l.add(at("clear_event"), "use an event of the profile", "%s has no event %q", p.Name, r.ClearEvent)
	}
}

// RulesOf returns the rules that judge d: its profile's, and those of the
// estate's file that name the device, or its kind, or neither (those judge
// every device that has what they speak of). A rule of the estate replaces
// the profile's of the same id, and the one that names more replaces the one
// that names less. The mistakes' paths begin with the rule's index in estate.
func (d Device) RulesOf(estate []Rule) ([]Rule, []Mistake) {
	rules := slices.Clone(d.Profile.Rules)
	var ms []Mistake
	for precision := range 3 {
		for i, r := range estate {
			if r.precision() != precision || !r.concerns(d) {
				continue
			}
			r.inherit(rules) // before bind gives it a fault of its own
			bound, more := r.bind(d.Profile)
			more = append(more, bound.Mistakes(d.Profile)...)
			for _, m := range more {
				m.What = fmt.Sprintf("for %s: %s", d.ID, m.What)
				ms = append(ms, m.under(i))
			}
			rules = slices.DeleteFunc(rules, func(old Rule) bool { return old.ID == bound.ID })
			rules = append(rules, bound)
		}
	}
	return rules, ms
}

// inherit takes fault and title, where r names none, from the rule that r
// replaces, or else from one that judges the same: an estate that sharpens a
// rule of the profile still speaks of the same fault.
func (r *Rule) inherit(from []Rule) {
	if r.Fault != "" {
		return
	}
	for _, same := range []func(Rule) bool{
		func(o Rule) bool { return o.ID == r.ID },
		func(o Rule) bool {
			return o.Detector == r.Detector && o.Detector != Combination && o.Metric == r.Metric && o.Event == r.Event
		},
	} {
		if i := slices.IndexFunc(from, same); i >= 0 {
			r.Fault, r.Title = from[i].Fault, cmp.Or(r.Title, from[i].Title)
			return
		}
	}
}

// precision is 2 for a rule that names a device, 1 for one that names a kind,
// 0 for one that names neither.
func (r Rule) precision() int {
	switch {
	case r.Device != "" && r.Device != Any:
		return 2
	case r.Kind != "" && r.Kind != Any:
		return 1
	}
	return 0
}

func (r Rule) concerns(d Device) bool {
	device := r.Device == "" || r.Device == Any || r.Device == d.ID
	kind := r.Kind == "" || r.Kind == Any || r.Kind == d.Kind
	return device && kind && (r.precision() > 0 || d.Profile.speaksOf(r))
}

// speaksOf reports whether the profile has everything that r names.
func (p *Profile) speaksOf(r Rule) bool {
	for _, c := range r.All {
		if !p.hasMetric(c.Metric) {
			return false
		}
	}
	return (r.Metric == "" || r.Metric == Any || p.hasMetric(r.Metric)) && (r.Event == "" || p.HasEvent(r.Event))
}
