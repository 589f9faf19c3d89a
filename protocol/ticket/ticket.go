// Package ticket is the pure model of a ticket: a condition that a person must
// see, and the log of Transitions that happened to it.
//
// A Ticket is never edited. It is the fold of its Transitions, ordered by
// their Stamp (hybrid logical clock, origin, number); because the fold orders
// and de-duplicates by itself, two sides that wrote apart agree as soon as
// both hold the same set, whatever order it reached them in.
//
// Two machines run side by side and never move each other: the Condition
// {active, cleared} belongs to the device, the State {open, accepted,
// arrived, resolved, closed} belongs to the people. One exception is written
// into Fold: a condition that comes back after people were done with it
// reopens the ticket, because a page must follow.
//
// The package is pure: no clock, no I/O, no logger.
package ticket

// ID is a ticket's UUIDv7, minted where the condition was seen first.
type ID string

// Key identifies a condition: while a ticket with this key is unresolved,
// another raise of the same key is an occurrence of it.
// On the wire and in the API it reads "estate/device/rule/metric".
type Key struct {
	Estate, Device, Rule, Metric string
}

// String returns "estate/device/rule/metric".
func (k Key) String() string {
	return k.Estate + "/" + k.Device + "/" + k.Rule + "/" + k.Metric
}

// Severity orders conditions by urgency; the words are X.733's.
type Severity string

// The four severities, worst first (一级特急, 二级紧急, 三级一般, 四级提示).
const (
	Critical Severity = "critical"
	Major    Severity = "major"
	Minor    Severity = "minor"
	Warning  Severity = "warning"
)

// State is where people are with a ticket.
type State string

// The workflow, in order.
const (
	Open     State = "open"
	Accepted State = "accepted"
	Arrived  State = "arrived"
	Resolved State = "resolved"
	Closed   State = "closed"
)

// Unresolved reports whether somebody still has to act.
func (s State) Unresolved() bool { return s == Open || s == Accepted || s == Arrived }

// Condition is what the device says.
type Condition string

// The two conditions.
const (
	Active  Condition = "active"
	Cleared Condition = "cleared"
)

// Outcome says how a ticket ended; empty while unresolved.
type Outcome string

// The outcomes of a resolved ticket.
const (
	Fixed        Outcome = "fixed"
	FalseAlarm   Outcome = "false_alarm"
	NoFaultFound Outcome = "no_fault_found"
	Duplicate    Outcome = "duplicate"
)

// Fault is a word of the fault vocabulary, independent of maker and city.
type Fault string

// Faults that the product itself treats specially; profiles may name others.
const (
	Entrapment    Fault = "entrapment"
	Duress        Fault = "duress"
	Overtravel    Fault = "overtravel"
	DoorForced    Fault = "door_forced"
	DoorHeld      Fault = "door_held"
	Overheat      Fault = "overheat"
	RobotStuck    Fault = "robot_stuck"
	DeviceSilent  Fault = "device_silent"
	EstateDark    Fault = "estate_dark"
	HumanReported Fault = "reported"
)

// LifeSafety reports whether nothing may mute, fold, delay or clear away a
// ticket of this fault.
func (f Fault) LifeSafety() bool { return f == Entrapment || f == Duress || f == Overtravel }

// Title is a code and its parameters; it becomes text where it is read, in
// the reader's language (package title).
type Title struct {
	Code   string            `json:"code"`
	Params map[string]string `json:"params,omitempty"`
}

// Evidence is one of the Samples that made a rule fire.
type Evidence struct {
	Metric string  `json:"metric"`
	AtMS   int64   `json:"at_ms"`
	Value  float64 `json:"value"`
	Text   string  `json:"text,omitempty"`
}

// ActorKind says what sort of principal made a Transition.
type ActorKind string

// Who may act. Personal data never stands in a Transition, only the id.
const (
	ByRule     ActorKind = "rule"     // a detector on an edge
	BySystem   ActorKind = "system"   // the cloud by itself: escalation, late close
	ByStaff    ActorKind = "staff"    // a person; ID is a staff id
	ByUser     ActorKind = "user"     // a login not bound to a person
	ByToken    ActorKind = "token"    // an API token
	ByReporter ActorKind = "reporter" // a resident
)

// Actor is who made a Transition.
type Actor struct {
	Kind ActorKind `json:"kind"`
	ID   string    `json:"id,omitempty"`
}

// Kind names a change. Kinds that this version does not know are kept in the
// log, shown in the timeline and change nothing (SPEC P-6).
type Kind string

// The kinds of Transition.
const (
	Raise          Kind = "raise"       // the condition became active; carries Subject
	Occur          Kind = "occur"       // the same condition again
	Clear          Kind = "clear"       // the condition ended
	Accept         Kind = "accept"      // 接单
	Arrive         Kind = "arrive"      // 到场
	Resolve        Kind = "resolve"     // 办结; carries Outcome
	Close          Kind = "close"       // 回访 done
	Reopen         Kind = "reopen"      //
	Transfer       Kind = "transfer"    // 转派; To is a staff id, or empty for "whoever is on duty"
	Escalate       Kind = "escalate"    // 升级, by a person or by the clock
	Comment        Kind = "comment"     //
	MarkFalseAlarm Kind = "false_alarm" // 误报; Reason is required
	Alias          Kind = "alias"       // AliasID is another id of this same ticket
)

// Subject is what a raise says about the thing that is wrong.
type Subject struct {
	Estate     string   `json:"estate"`
	Edge       string   `json:"edge,omitempty"`
	Device     string   `json:"device,omitempty"`
	DeviceKind string   `json:"device_kind,omitempty"`
	Location   string   `json:"location,omitempty"`
	Rule       string   `json:"rule,omitempty"`
	Metric     string   `json:"metric,omitempty"`
	Fault      Fault    `json:"fault"`
	Severity   Severity `json:"severity"`
	Title      Title    `json:"title"`
}

// Key returns the condition's identity.
func (s Subject) Key() Key {
	return Key{Estate: s.Estate, Device: s.Device, Rule: s.Rule, Metric: s.Metric}
}

// Transition is one change of one ticket. It is immutable; its ID guards its
// effect, so that receiving it again changes nothing.
type Transition struct {
	// ID is a UUID, unique for ever.
	ID     string `json:"id"`
	Ticket ID     `json:"ticket"`
	Kind   Kind   `json:"kind"`
	// Stamp orders Transitions of one ticket on every side alike.
	Stamp Stamp `json:"stamp"`
	// AtMS is when it happened in the world (a tap in a lift shaft may reach
	// us an hour later); Stamp orders, AtMS is shown and measured.
	AtMS int64 `json:"at_ms"`
	By   Actor `json:"by"`
	// Subject is set for Raise only.
	Subject *Subject `json:"subject,omitempty"`
	// Evidence is set for Raise, Occur and Clear.
	Evidence []Evidence `json:"evidence,omitempty"`
	Outcome  Outcome    `json:"outcome,omitempty"`
	Note     string     `json:"note,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	To       string     `json:"to,omitempty"`
	AliasID  ID         `json:"alias,omitempty"`
	// Origin is set for Transitions born on an edge.
	Origin *OriginRef `json:"origin,omitempty"`
}

// OriginRef carries the edge's clock facts of a Transition born on an edge.
type OriginRef struct {
	Boot         string `json:"boot"`
	MonoMS       int64  `json:"mono_ms"`
	EdgeMS       int64  `json:"edge_ms"`
	ClockTrusted bool   `json:"clock_trusted"`
}

// Ticket is the fold of a log of Transitions.
type Ticket struct {
	ID      ID
	Aliases []ID
	Subject
	State     State
	Condition Condition
	Outcome   Outcome
	// Assignee is the staff id of whoever accepted or was handed the ticket.
	Assignee string
	// Instants in Unix ms, 0 while they have not happened. They are the AtMS
	// of the Transition that decided them.
	RaisedMS, AcceptedMS, ArrivedMS, ResolvedMS, ClosedMS, ClearedMS int64
	Occurrences                                                      int
	Escalations                                                      int
	Evidence                                                         []Evidence
	// Log is the ordered, de-duplicated log this Ticket was folded from.
	Log []Transition
}
