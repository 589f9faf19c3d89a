// Package driver is the contract between the field and the edge: a Driver
// speaks to devices and hands what they say, as Batches of Samples and Events,
// to a Sink.
//
// What every Driver promises (package drivertest checks it):
//
//   - Batches of one device reach the Sink in the order the device spoke.
//   - A read that failed is a Sample of quality bad with a reason, never a
//     made-up value and never silence.
//   - A device's reachability is a Sample of the metric [Online], 1 or 0,
//     handed over when it changes and once at the first verdict.
//   - A full Sink slows the Driver down; nothing is dropped to keep up.
//   - Run returns only after everything it started has stopped, and no Put is
//     called after that.
//
// The package does no I/O. Only a new field bus needs a new Driver; a new
// model of device needs a profile (package device).
package driver

import (
	"context"

	"github.com/linshao/linshao/protocol/telemetry"
)

// Online is the metric every Driver reports a device's reachability under:
// 1 while the device answers or is signed in, 0 while it does not.
const Online = "online"

// Batch is what one device said at one time: one poll, one message.
type Batch struct {
	// Device is the id that all Samples and Events in the Batch belong to.
	Device  string
	Samples []telemetry.Sample
	Events  []telemetry.Event
	// Done, where set, is called exactly once and in the order the Sink took
	// the Batches of the device: with nil once everything in the Batch and
	// all Transitions it caused are on disk, with an error when that can no
	// longer happen. It is called from the committer's goroutine and must not
	// block.
	Done func(error)
}

// Sink takes Batches. It is implemented by the edge's flow.
//
// Put blocks while the Sink is full: that is the back-pressure. It returns nil
// once it owns the Batch, slices and Done included; the caller must not touch
// them again. When it returns an error (the context ended, the Sink is closed)
// it has not taken the Batch, and Done will not be called. Put is safe for
// concurrent use; order holds between calls that follow one another.
type Sink interface {
	Put(ctx context.Context, b Batch) error
}

// Driver speaks to devices until its context ends.
//
// Run blocks. It returns nil after ctx ended and all goroutines and
// connections it opened are gone, or an error when it cannot go on at all; a
// device that is broken, slow or hostile is not such an error. Run is called
// at most once.
type Driver interface {
	Run(ctx context.Context) error
}
