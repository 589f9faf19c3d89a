package detect

import (
	"fmt"

	"github.com/linshao/linshao/edge/internal/device"
)

// Any stands for every device, kind or metric in a rule. A metric of Any
// makes one Detector per metric.
const Any = "*"

// UnavailableError says that a rule asks for a detector this version lacks.
type UnavailableError struct{ Rule, Detector string }

func (e *UnavailableError) Error() string {
	return fmt.Sprintf("rule %s: detector %s is not available in this version", e.Rule, e.Detector)
}

// build makes the Detector of one rule. A new algorithm is one file and one
// line here. It returns nil for a detector that this version lacks.
func build(r *device.Rule) Detector {
	switch r.Detector {
	case device.Threshold:
		return newThreshold(r)
	case device.Stale:
		return newStale(r)
	case device.Combination:
		return newCombination(r)
	case device.Latched:
		return newLatched(r)
	case device.OnEvent:
		return newEvent(r)
	}
	return nil
}

// Check reports what makes a rule impossible to judge. Package device checks
// files more closely, with their lines; this is what the Detectors rest on.
func Check(r *device.Rule) error {
	if build(r) == nil {
		return &UnavailableError{Rule: r.ID, Detector: string(r.Detector)}
	}
	if why := lacks(r); why != "" {
		return fmt.Errorf("rule %s: %s", r.ID, why)
	}
	return nil
}

// lacks says what a rule is without, empty if it is whole.
func lacks(r *device.Rule) string {
	switch r.Detector {
	case device.Threshold:
		switch {
		case r.Above == nil && r.Below == nil:
			return "threshold needs above or below"
		case r.Above != nil && r.Below != nil && r.Clear != nil:
			return "clear needs one bound, not above and below"
		case r.Metric == "":
			return "threshold needs a metric"
		}
	case device.Stale:
		if r.After <= 0 {
			return "stale needs after"
		}
	case device.Combination:
		if len(r.All) == 0 {
			return "combination needs conditions under all"
		}
		for _, c := range r.All {
			if c.Equals != nil && c.Equals.Word != "" {
				return fmt.Sprintf("no enum of %s knows the word %s", c.Metric, c.Equals.Word)
			}
		}
	case device.Latched:
		if r.Metric == "" {
			return "latched needs a metric"
		}
	case device.OnEvent:
		if r.Event == "" {
			return "event needs the name of an event"
		}
	}
	return ""
}

// concerns reports whether a rule of the estate's file is about a device.
func concerns(r *device.Rule, id, kind string) bool {
	return (r.Device == "" || r.Device == Any || r.Device == id) &&
		(r.Kind == "" || r.Kind == Any || r.Kind == kind)
}

// rulesFor returns the rules of one device: its profile's, except those that
// a rule of the estate with the same id replaces, and the estate's.
func rulesFor(estate []device.Rule, id, kind string, p *device.Profile) []*device.Rule {
	var out []*device.Rule
	replaced := map[string]bool{}
	for i := range estate {
		if r := &estate[i]; concerns(r, id, kind) {
			replaced[r.ID] = true
			out = append(out, r)
		}
	}
	if p == nil {
		return out
	}
	for i := range p.Rules {
		if r := &p.Rules[i]; !replaced[r.ID] {
			out = append(out, r)
		}
	}
	return out
}
