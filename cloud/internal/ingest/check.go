package ingest

import (
	"math"
	"strings"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/topic"
)

// Reasons of rejected Receipts. They are part of what edges see.
const (
	reasonUndecodable = "undecodable"
	reasonSequences   = "bad_sequences"
	reasonLane        = "wrong_lane"
	reasonContent     = "wrong_log"
	reasonTooMany     = "too_many_transitions"
)

// foreign reports whether e claims to come from another edge than the one whose
// topic it came by, or does not say of which log it is. Nothing can be
// answered then: a Receipt would make the sender forget what we never saw.
func foreign(u topic.Uplink, e *envelope.Envelope) bool {
	return e.Estate != u.Estate || e.Edge != u.Edge ||
		e.Epoch == "" || len(e.Epoch) > limit.MaxNameBytes || strings.ContainsRune(e.Epoch, 0) ||
		e.Log != envelope.Alarm && e.Log != envelope.Samples ||
		!answerable(e)
}

// answerable reports whether e names Sequences that a Receipt can speak of.
func answerable(e *envelope.Envelope) bool {
	n := len(e.Sequences) + len(e.Missing)
	return n > 0 && n <= limit.MaxRanges
}

// verdict reports why e can never be stored, or "". The Sequences may be
// anything; the content has been decoded.
func verdict(lane envelope.Lane, e *envelope.Envelope) (reason string) {
	switch {
	case e.Lane != lane || (e.Log == envelope.Alarm) != (lane == envelope.LaneAlarm):
		return reasonLane
	case !ascending(e.Sequences) || !sound(e):
		return reasonSequences
	case e.Log == envelope.Alarm && len(e.Samples)+len(e.Events) > 0,
		e.Log == envelope.Samples && len(e.Transitions) > 0:
		// The alarm lane must not wait for series, the other not for tickets.
		return reasonContent
	case len(e.Transitions) > limit.MaxTransitionsPerEnvelope:
		return reasonTooMany
	}
	return ""
}

func ascending(rs []envelope.Range) bool {
	for i, r := range rs {
		if r.First < 1 || r.Last < r.First || r.Last > math.MaxInt64 || i > 0 && r.First <= rs[i-1].Last {
			return false
		}
	}
	return true
}

// sound reports whether the gaps are ranges.
func sound(e *envelope.Envelope) bool {
	for _, g := range e.Missing {
		if g.First < 1 || g.Last < g.First || g.Last > math.MaxInt64 {
			return false
		}
	}
	return true
}

// covered is all that a Receipt for e speaks of: what it brought and what will
// never come.
func covered(e *envelope.Envelope) envelope.RangeSet {
	var s envelope.RangeSet
	for _, r := range e.Sequences {
		s = s.Add(r)
	}
	for _, g := range e.Missing {
		s = s.Add(g.Range)
	}
	return s
}
