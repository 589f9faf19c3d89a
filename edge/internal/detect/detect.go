// Package detect judges what devices say: Samples and Events in, Findings out.
//
// A Detector is a value built from one rule for one device; it holds O(1)
// memory and looks at every Sample once. A Bank owns all Detectors of an edge
// and routes each Sample to those that asked for its series.
//
// Two clocks are at work. What a device said is judged by the device's time
// (Sample.AtMS), so that a backlog that arrives in one second is judged as it
// happened. What nobody said (a hold time that ends between two Samples, a
// device that fell silent) is judged by the edge's monotonic time, so that a
// wall clock that jumps neither silences nor invents anything.
//
// What is unknown is never normal: a bad Sample neither raises nor clears, it
// stops a clear that was about to happen. Historical Samples are not judged.
//
// The package is pure: no clock, no I/O, no logger. Nothing in it is safe for
// concurrent use; one goroutine owns a Bank.
package detect

import (
	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// Finding says that the condition of one rule on one device began or ended.
type Finding struct {
	Rule         *device.Rule
	Device, Kind string
	// Metric is the metric judged; empty where the rule judges the device as
	// a whole (a combination, an event, silence of everything).
	Metric string
	// Active: the condition began, or (an event only) happened once more.
	// Otherwise it ended.
	Active bool
	// AtMS is the instant of the change, in the device's time where the
	// device said it, in the edge's wall time where silence did.
	AtMS int64
	// Evidence holds the last few values of every series judged, oldest
	// first, at most limit.MaxEvidence.
	Evidence []ticket.Evidence
	// Reason says why, as a code and its parameters.
	Reason ticket.Title
}

// Change is what a Detector has to say: its condition began or ended at AtMS.
type Change struct {
	Active bool
	AtMS   int64
}

// Detector judges one condition. All methods append what changed to dst and
// return it; in steady state they allocate nothing.
type Detector interface {
	// Tick tells the time when no Sample does. now.MonoMS never runs
	// backwards.
	Tick(dst []Change, now telemetry.Origin) []Change
	// Seed says that the condition was active when the edge stopped, so that
	// its end is still told.
	Seed(now telemetry.Origin)
	// Active reports whether the condition holds.
	Active() bool
	// Why is asked right after a Change.
	Why() ticket.Title
}

// Sampled is a Detector that judges Samples.
type Sampled interface {
	Detector
	// Step takes the next Sample of one of its series, newer than the one
	// before it, with a finite value.
	Step(dst []Change, s *telemetry.Sample, now telemetry.Origin) []Change
	// Lost says that the current value of metric is not known.
	Lost(metric string)
}

// Settled is a Sampled Detector that looks at several series and must see all
// of one instant before it judges: Step only takes notes.
type Settled interface {
	Sampled
	Settle(dst []Change, atMS int64, now telemetry.Origin) []Change
}

// Notified is a Detector that judges Events.
type Notified interface {
	Detector
	Notify(dst []Change, e *telemetry.Event, now telemetry.Origin) []Change
}
