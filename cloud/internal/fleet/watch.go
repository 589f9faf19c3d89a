package fleet

import (
	"github.com/linshao/linshao/protocol/ticket"
)

// SilentRule is the rule name in the key of an "estate dark" ticket; its
// metric is the edge's id, so that each edge has a ticket of its own.
const SilentRule = "edge_silent"

// Watch judges silence. Silence is an alarm: an edge that says nothing may be
// cut off with a person in a lift behind it.
type Watch struct {
	// AfterMS is how long an edge may say nothing; well under the 60 s within
	// which "estate silent" must be known.
	AfterMS int64
	// SinceMS is when this collector began to listen: what an edge could not
	// have told anybody before that is not held against it.
	SinceMS int64
}

// Silence is the judgement on one edge.
type Silence struct {
	Edge   Edge
	Silent bool
	// FromMS is when it was heard last (or the watch began).
	FromMS int64
}

// Judge returns a verdict for every edge that was ever heard, and the next
// instant at which a verdict changes by the passing of time alone (0: never).
func (w Watch) Judge(edges []Edge, nowMS int64) (verdicts []Silence, nextMS int64) {
	for _, e := range edges {
		if e.LastSeenMS == 0 {
			continue // provisioned, never connected: nothing to miss yet
		}
		from := max(e.LastSeenMS, w.SinceMS)
		silent := nowMS-from >= w.AfterMS
		verdicts = append(verdicts, Silence{Edge: e, Silent: silent, FromMS: from})
		if at := from + w.AfterMS; !silent && (nextMS == 0 || at < nextMS) {
			nextMS = at
		}
	}
	return verdicts, nextMS
}

// Subject describes the ticket that an edge's silence raises.
func (s Silence) Subject() ticket.Subject {
	return ticket.Subject{
		Estate: s.Edge.Estate, Edge: s.Edge.ID, DeviceKind: "edge",
		Rule: SilentRule, Metric: s.Edge.ID,
		Fault: ticket.EstateDark, Severity: ticket.Major,
		Title: ticket.Title{Code: string(ticket.EstateDark), Params: map[string]string{"edge": s.Edge.ID}},
	}
}
