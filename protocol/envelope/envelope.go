// Package envelope turns the nouns that travel between edge and cloud into
// bytes and back: protobuf (schema in protocol/proto), columnar for Samples,
// compressed with zstd. It is the only package that touches generated types.
//
// Decoding never trusts its input: sizes are bounded before anything is
// allocated (package limit), unknown fields and unknown kinds are preserved or
// skipped, never an error, so that old and new versions can talk (SPEC P-3).
package envelope

import (
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// SchemaVersion is what this build writes.
const SchemaVersion = 1

// Sequence counts the records of one log of one epoch of one edge, from 1.
type Sequence uint64

// Log names one of the edge's two logs.
type Log string

// The two logs.
const (
	Alarm   Log = "alarm"
	Samples Log = "samples"
)

// Lane says who goes first on the wire.
type Lane string

// The lanes, first to last.
const (
	LaneAlarm    Lane = "alarm"
	LaneLive     Lane = "live"
	LaneBackfill Lane = "backfill"
)

// Range is a closed range of Sequences, First <= Last.
type Range struct{ First, Last Sequence }

// Gap is a range that will never come, and why.
type Gap struct {
	Range
	// Reason is a stable code: damaged, dropped_full, dropped_age, lost.
	Reason string
	// FromMS and ToMS bound the edge times of what is gone; 0 if unknown.
	FromMS, ToMS int64
}

// Record is what the outbox keeps under one Sequence: the Samples and Events
// of one group, or the Transitions of one.
type Record struct {
	Origin telemetry.Origin
	// Local records (a checkpoint, a Transition that came from the cloud)
	// are kept for the edge's own memory: their Sequence is covered by an
	// Envelope, their content never leaves.
	Local bool
	// Checkpoint is the edge's ticket state, all earlier records folded in.
	Checkpoint  []byte
	Samples     []telemetry.Sample
	Events      []telemetry.Event
	Transitions []ticket.Transition
}

// Envelope is one message up: a run of records of one log, merged.
type Envelope struct {
	Schema uint32
	// LeastSchema is the lowest schema that a receiver must know to take it;
	// 0: any [P-3.6].
	LeastSchema  uint32
	Estate, Edge string
	// Epoch identifies one life of the edge's logs; a log that lost its tail
	// starts a new one. It is a UUIDv7.
	Epoch string
	Log   Log
	Lane  Lane
	// Sequences are the records covered, ascending, not overlapping.
	Sequences []Range
	Missing   []Gap
	// Head is the newest Sequence of the log when the Envelope was made.
	Head Sequence
	Record
}

// Verdict is what a Receipt says about its Sequences.
type Verdict string

// The verdicts.
const (
	Stored   Verdict = "stored"
	Rejected Verdict = "rejected"
)

// Receipt is the cloud's word that Sequences are durably stored, or can never
// be. Only a Receipt lets the edge forget.
type Receipt struct {
	Epoch     string
	Log       Log
	Sequences []Range
	Verdict   Verdict
	// Reason is set when Verdict is Rejected.
	Reason string
	// CloudMS is the cloud's clock, for the edge's skew estimate.
	CloudMS int64
}

// Point describes one metric of a device to the cloud.
type Point struct {
	Metric string            `json:"metric"`
	Unit   string            `json:"unit,omitempty"`
	Enum   map[string]string `json:"enum,omitempty"`
}

// Device describes one device of an edge to the cloud.
type Device struct {
	ID       string  `json:"id"`
	Kind     string  `json:"kind"`
	Profile  string  `json:"profile"`
	Location string  `json:"location,omitempty"`
	Points   []Point `json:"points,omitempty"`
}

// LogHead is the newest and the oldest unsettled Sequence of one log.
type LogHead struct {
	Log          Log
	Head, Oldest Sequence
}

// Hello opens every connection of an edge.
type Hello struct {
	Schema uint32
	// LeastSchema is what this edge demands of the cloud; 0: nothing.
	LeastSchema  uint32
	Capabilities []string
	Estate, Edge string
	Version      string
	Epoch        string
	// Session is this connection's durable id, Previous its predecessor's;
	// two sessions with one predecessor are a clone.
	Session, Previous string
	Boot              string
	EdgeMS            int64
	ClockTrusted      bool
	Heads             []LogHead
	Devices           []Device
}

// Welcome is the cloud's answer to a Hello [P-5.7].
type Welcome struct {
	Schema       uint32
	Capabilities []string
	// Session is that of the Hello.
	Session string
	// CloudMS is the cloud's clock, for the edge's skew estimate.
	CloudMS int64
	// Refused is a stable code that says why the edge is not taken; empty: it
	// is.
	Refused string
}

// Codes of Welcome.Refused.
const (
	// RefusedClone: two machines run from copies of one disk.
	RefusedClone = "clone"
	// RefusedSchema: the edge demands a newer schema than the cloud knows.
	RefusedSchema = "schema_too_new"
)

// Capabilities of the cloud that a Welcome may name. What a receiver can leave
// unread needs none [P-3.6].
const (
	// CanCorrect: the cloud puts times right by an Origin's skew [P-5.6].
	CanCorrect = "skew"
)

// Understands reports whether this build can take a message that demands
// leastSchema.
func Understands(leastSchema uint32) bool { return leastSchema <= SchemaVersion }

// Command asks the edge to do something, once, before it expires. Both times
// are of the cloud's clock.
type Command struct {
	ID                  string
	Device              string
	Name                string
	Args                []byte
	IssuedMS, ExpiresMS int64
}
