package ingest

import (
	"math"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// putRight corrects the times of what a wrong clock recorded [P-5.6]: by the
// skew where it was measured, else only as far as something would be lost.
func putRight(e *envelope.Envelope, nowMS int64) {
	e.Origin.Correct(e.Samples)
	e.Origin.CorrectEvents(e.Events)
	for i := range e.Transitions {
		e.Transitions[i] = putTransitionRight(e.Transitions[i], e.Origin)
	}
	if e.Origin.Doubtful() {
		bringNear(e.Samples, e.Events, nowMS)
	}
}

// putTransitionRight leaves the stamp: the order of a ticket's log is the
// writer's to tell.
func putTransitionRight(x ticket.Transition, o telemetry.Origin) ticket.Transition {
	x.AtMS = o.CorrectMS(x.AtMS)
	for i := range x.Evidence {
		x.Evidence[i].AtMS = o.CorrectMS(x.Evidence[i].AtMS)
	}
	return x
}

// bringNear moves what a clock that nobody knows dates before all that a store
// takes, such as a box that begins each life in 1970: together, with their
// distances, the newest to nowMS. They carry the mark of such a clock.
func bringNear(samples []telemetry.Sample, events []telemetry.Event, nowMS int64) {
	newest := int64(math.MinInt64)
	for i := range samples {
		newest = max(newest, samples[i].AtMS)
	}
	for i := range events {
		newest = max(newest, events[i].AtMS)
	}
	if newest >= nowMS-telemetry.OldestAgeMS {
		return
	}
	for i := range samples {
		samples[i].AtMS += nowMS - newest
	}
	for i := range events {
		events[i].AtMS += nowMS - newest
	}
}
