package ingest

import (
	"context"
	"errors"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"

	"github.com/linshao/linshao/cloud/internal/series"
)

// LogID names one life of one of an edge's logs: the space in which a
// Sequence is unique.
type LogID struct {
	Estate, Edge, Epoch string
	Log                 envelope.Log
}

// Tx is one relational transaction: all of it becomes durable when the
// function given to InTx returns nil and InTx returns nil, or none of it.
// Every method is idempotent, since a crash after a commit and before its
// Receipt brings the same Envelope again.
//
// A method that finds its input impossible to store, now and for ever, answers
// an error made by Reject; every other error is taken as passing.
type Tx interface {
	// Settled returns what the ledger holds of a log; empty if it is new.
	Settled(context.Context, LogID) (envelope.RangeSet, error)
	// MarkSettled adds ranges to the ledger. It merges with what other
	// collectors have marked meanwhile, holding the row from its first read.
	MarkSettled(context.Context, LogID, []envelope.Range) error
	// ApplyTransitions takes what happened at the edge to the tickets. Each
	// Transition takes effect once, guarded by its ID. behind says that more of
	// the edge's alarm log is on its way: a raise may have its clear behind it.
	ApplyTransitions(ctx context.Context, estate, edge string, behind bool, ts []ticket.Transition) error
	// SaveEvents keeps what devices reported as having happened, once per
	// (device, name, AtMS).
	SaveEvents(ctx context.Context, estate, edge string, receivedMS int64, es []telemetry.Event) error
	// SaveGaps keeps ranges that will never come, once per range and reason.
	SaveGaps(context.Context, LogID, []envelope.Gap) error
	// ClockMoves returns what is decided about a boot's clock, oldest decision
	// first, and keeps other collectors from deciding it until the end.
	ClockMoves(context.Context, BootID) ([]ClockMove, error)
	// SaveClockMove keeps the n-th decision about it, from 0, once and for all.
	SaveClockMove(ctx context.Context, id BootID, n int, m ClockMove) error
	// AddClockDays adds to what is known of devices' days; no two are of one
	// device and day.
	AddClockDays(context.Context, []ClockDay) error
	// SaveHello keeps what an edge says about itself. It answers ErrClone,
	// and changes nothing, if another session already has its predecessor.
	SaveHello(ctx context.Context, h envelope.Hello, receivedMS int64) error
}

// InTx runs f in one transaction and reports whether it was committed. It may
// run f again after a conflict, so f must not keep anything of a failed run.
type InTx func(ctx context.Context, f func(Tx) error) error

// Appender takes samples of many edges as one group; they are durable when it
// returns nil. An error means that any part of them may be stored: the same
// group is sent again.
type Appender interface {
	Append(context.Context, []series.Batch) (series.Tally, error)
}

// Reader tells what an Appender has stored; series.Reader says how.
type Reader interface {
	Range(ctx context.Context, sel series.Selector, fromMS, toMS, stepMS int64) ([]series.Point, error)
}

// Latest is told what became durable, so that it knows the newest of each
// series.
type Latest interface {
	Observe([]series.Batch)
}

// Publisher sends one message down to an edge. It returns when the broker has
// taken it, and must not wait for the edge: a message that gets lost is
// replaced when the edge sends its Envelope again.
type Publisher interface {
	Publish(ctx context.Context, topic string, payload []byte, retain bool) error
}

// ErrNewer: an edge demands a newer collector [P-3.6].
var ErrNewer = errors.New("this collector is too old for it: upgrade")

// ErrClone: two sessions of an edge have one predecessor, so two machines run
// from copies of one disk and would issue the same Sequences for different
// records. The connection it came from must be closed.
var ErrClone = errors.New("two sessions of this edge have one predecessor: its disk was cloned")

// Reject makes an error that says the record can never be stored. Reason is a
// short stable code that goes into the Receipt.
func Reject(reason string) error { return &rejection{reason} }

type rejection struct{ reason string }

func (r *rejection) Error() string { return "rejected: " + r.reason }
