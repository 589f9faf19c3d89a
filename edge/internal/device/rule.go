package device

import (
	"time"

	"github.com/linshao/linshao/protocol/ticket"
)

// Detector names the algorithm that judges a Rule.
type Detector string

// The detectors.
const (
	// Threshold: Metric is above Above or below Below for For; it ends when
	// the value is back past Clear.
	Threshold Detector = "threshold"
	// Stale: no good Sample of Metric for After; without a Metric, none of
	// any metric of the device ("online" does not count).
	Stale Detector = "stale"
	// Combination: every Condition in All holds at once, for For.
	Combination Detector = "combination"
	// Latched: Metric (or its bit Bit) is set, for For; it ends when the
	// latch does.
	Latched Detector = "latched"
	// OnEvent: Event happened; it ends at ClearEvent, or After later.
	OnEvent Detector = "event"
)

// Any stands for every device, kind or metric.
const Any = "*"

// Rule says what is wrong when. Rules come with profiles and from the estate's
// file; which fields count depends on Detector.
type Rule struct {
	// ID is part of a condition's identity: renaming a rule starts new
	// tickets.
	ID string `yaml:"id"`
	// Device or Kind narrows a rule of the estate's file; one that names
	// neither judges every device that has what it speaks of. In a profile
	// Kind is the profile's.
	Device   string   `yaml:"device"`
	Kind     string   `yaml:"kind"`
	Metric   string   `yaml:"metric"`
	Detector Detector `yaml:"detector"`

	Severity ticket.Severity `yaml:"severity"`
	// Fault is a word of the vocabulary; ID where the file has none.
	Fault ticket.Fault `yaml:"fault"`
	// Title is a title code; Fault where the file has none.
	Title string `yaml:"title"`

	// Above and Below bound Metric (threshold). Clear is where it counts as
	// normal again: at most Above, at least Below; nil: the bound itself. It
	// goes with one bound only.
	Above *float64 `yaml:"above"`
	Below *float64 `yaml:"below"`
	Clear *float64 `yaml:"clear"`
	// For is how long it must last before it counts (threshold, combination,
	// latched). 0: at once.
	For time.Duration `yaml:"for"`
	// After is how long silence may last (stale), or how long an event's
	// condition lasts where nothing ends it (event).
	After time.Duration `yaml:"after"`
	// All are the conditions that must hold together (combination).
	All []Condition `yaml:"all"`
	// Bit is the bit of Metric that counts (latched); nil: any.
	Bit *uint8 `yaml:"bit"`
	// Event and ClearEvent are names of events (event).
	Event      string `yaml:"event"`
	ClearEvent string `yaml:"clear_event"`
}

// Condition is one part of a combination: one of Equals, Above and Below is
// set. In the file, equals may be a word of the metric's enum, true or false;
// after Bind it is a number.
type Condition struct {
	Metric string   `yaml:"metric"`
	Equals *Scalar  `yaml:"equals"`
	Above  *float64 `yaml:"above"`
	Below  *float64 `yaml:"below"`
}

// Holds reports whether the condition is true of the value v. It must have
// been bound.
func (c Condition) Holds(v float64) bool {
	switch {
	case c.Equals != nil:
		return v == c.Equals.Number
	case c.Above != nil:
		return v > *c.Above
	case c.Below != nil:
		return v < *c.Below
	}
	return false
}
