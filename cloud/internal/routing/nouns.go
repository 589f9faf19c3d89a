// Package routing answers what is due: a pure function of a ticket, the
// policy, who is on duty, the deliveries so far and now, to the Deliveries
// that must exist and the next instant to look, each with a printable reason.
//
// It holds no clock, does no I/O and sends nothing; package notify sends.
package routing

import (
	"time"

	"github.com/linshao/linshao/protocol/ticket"
)

// Match selects tickets; an empty list matches all.
type Match struct {
	Severity []ticket.Severity `json:"severity,omitempty" yaml:"severity,omitempty"`
	Fault    []ticket.Fault    `json:"fault,omitempty" yaml:"fault,omitempty"`
	Kind     []string          `json:"kind,omitempty" yaml:"kind,omitempty"` // device kinds
}

// Step is one escalation stage: To is duty, leader, manager, desk, maintainer
// or staff:ID; After runs from the first instant the ticket could be paged.
type Step struct {
	To    string        `json:"to" yaml:"to"`
	After time.Duration `json:"after" yaml:"after"`
	// Track names a parallel ladder: an acceptance stops only its own track.
	// Empty is the common track.
	Track string `json:"track,omitempty" yaml:"track,omitempty"`
}

// Policy says who is paged for what, and when. The first match by id order
// within the estate wins; without a match the built-in default applies.
type Policy struct {
	ID     string `json:"id" yaml:"id"`
	Estate string `json:"estate" yaml:"estate"`
	Match  Match  `json:"match" yaml:"match"`
	Steps  []Step `json:"steps" yaml:"steps"`
}

// Mute suppresses paging (never the ticket) for a device or a kind until it
// ends. Life safety ignores every Mute.
type Mute struct {
	ID     string `json:"id" yaml:"id"`
	Estate string `json:"estate" yaml:"estate"`
	Device string `json:"device,omitempty" yaml:"device,omitempty"`
	Kind   string `json:"kind,omitempty" yaml:"kind,omitempty"`
	Rule   string `json:"rule,omitempty" yaml:"rule,omitempty"`
	FromMS int64  `json:"from_ms" yaml:"from_ms"`
	ToMS   int64  `json:"to_ms" yaml:"to_ms"`
	Reason string `json:"reason" yaml:"reason"`
	By     string `json:"by,omitempty" yaml:"by,omitempty"`
}

// DeliveryState is where one message to one person on one channel is.
type DeliveryState string

// The states of a Delivery. Unknown means the provider may or may not have
// it: the next channel opens at once.
const (
	Pending   DeliveryState = "pending"
	Sending   DeliveryState = "sending"
	Accepted  DeliveryState = "accepted"
	Rejected  DeliveryState = "rejected"
	Unknown   DeliveryState = "unknown"
	Cancelled DeliveryState = "cancelled"
)

// Attempt is one try at sending.
type Attempt struct {
	AtMS    int64         `json:"at_ms"`
	TookMS  int64         `json:"took_ms"`
	Outcome DeliveryState `json:"outcome"`
	Detail  string        `json:"detail,omitempty"`
}

// Delivery is one message to one person on one channel for one step. Its ID
// is the idempotency key towards the provider and is derived from (ticket,
// round, track, step, staff, channel), so that planning twice plans once.
type Delivery struct {
	ID     string    `json:"id"`
	Estate string    `json:"estate"`
	Ticket ticket.ID `json:"ticket"`
	Step   int       `json:"step"`
	Track  string    `json:"track,omitempty"`
	// Round counts reopenings and transfers: each is paged afresh.
	Round int    `json:"round"`
	Staff string `json:"staff"`
	// Channel is the kind, ChannelIndex its place in the person's list.
	Channel      string        `json:"channel"`
	ChannelIndex int           `json:"channel_index"`
	State        DeliveryState `json:"state"`
	Reason       string        `json:"reason"`
	Attempts     []Attempt     `json:"attempts,omitempty"`
	DueMS        int64         `json:"due_ms"`
	SentMS       int64         `json:"sent_ms,omitempty"`
	AcceptedMS   int64         `json:"accepted_ms,omitempty"`
}

// Progress is how far the ladders of a ticket have been climbed. It is saved
// in the transaction that saves the Deliveries, so that no step is missed or
// repeated by a crash. Its zero value is a ticket nobody has planned yet.
type Progress struct {
	Round int `json:"round"`
	// StartMS is the first instant at which this round could be paged; `after`
	// runs from here, not from the event.
	StartMS int64           `json:"start_ms"`
	Tracks  []TrackProgress `json:"tracks,omitempty"`
	// Escalations counts the escalations of this round that were answered by
	// a page; Overdue the accept deadlines.
	Escalations int `json:"escalations,omitempty"`
	Overdue     int `json:"overdue,omitempty"`
}

// TrackProgress is one ladder: the rungs that are done and the instant from
// which the `after` of those to come is counted.
type TrackProgress struct {
	Track    string   `json:"track"`
	AnchorMS int64    `json:"anchor_ms"`
	Done     []string `json:"done,omitempty"`
}
