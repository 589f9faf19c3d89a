package detect

import (
	"fmt"

	"github.com/linshao/linshao/edge/internal/device"
)

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
	for _, c := range r.All {
		if c.Equals != nil && c.Equals.Word != "" {
			return fmt.Errorf("rule %s: no enum of %s knows the word %s", r.ID, c.Metric, c.Equals.Word)
		}
	}
	return checkUnbound(r)
}

// checkUnbound is Check before a profile has turned words into numbers.
func checkUnbound(r *device.Rule) error {
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
		if r.Above == nil && r.Below == nil {
			return "threshold needs above or below"
		}
		if r.Metric == "" {
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

// judgedBy returns the rules of the estate's file that are about a device
// without a profile.
func judgedBy(estate []device.Rule, id, kind string) []device.Rule {
	var out []device.Rule
	for _, r := range estate {
		if (r.Device == "" || r.Device == device.Any || r.Device == id) &&
			(r.Kind == "" || r.Kind == device.Any || r.Kind == kind) && Check(&r) == nil {
			out = append(out, r)
		}
	}
	return out
}
