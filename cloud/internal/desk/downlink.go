package desk

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/linshao/linshao/protocol/ticket"
)

// Downlinks returns what an edge must hear of a ticket's log: everything born
// in the cloud, once under the ticket's own id and once under each alias. An
// edge that lost its memory raised the condition under a new id and knows the
// ticket by that alone; what it can't place does it no harm. It has also lost
// the comings of the condition that reopened the ticket, and hears of them as
// reopenings: else the end of an earlier round would be the end for it.
func Downlinks(aliases []ticket.ID, log []ticket.Transition) []ticket.Transition {
	var down []ticket.Transition
	ended := false
	for _, x := range ticket.Sort(log) {
		back := ended && (x.Kind == ticket.Occur || x.Kind == ticket.Raise)
		switch x.Kind {
		case ticket.Resolve, ticket.MarkFalseAlarm:
			ended = true
		case ticket.Occur, ticket.Raise, ticket.Reopen:
			ended = false
		}
		switch {
		case x.Stamp.Origin == Origin:
			down = append(down, x)
			if x.Kind != ticket.Alias && x.Kind != ticket.Raise {
				down = append(down, twins(aliases, x)...)
			}
		case back:
			down = append(down, twins(aliases, ticket.Transition{
				ID: derivedID(x.ID, string(ticket.Reopen)), Kind: ticket.Reopen, Stamp: x.Stamp, AtMS: x.AtMS, By: ticket.Actor{Kind: ticket.BySystem},
			})...)
		}
	}
	return down
}

// twins retells x under each alias.
func twins(aliases []ticket.ID, x ticket.Transition) []ticket.Transition {
	out := make([]ticket.Transition, 0, len(aliases))
	for _, a := range aliases {
		twin := x
		twin.ID, twin.Ticket = derivedID(x.ID, string(a)), a
		out = append(out, twin)
	}
	return out
}

// derivedID is a UUID (version 8) that depends on parts alone, so that making
// it again makes the same one.
func derivedID(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		h.Write([]byte(p))
		h.Write([]byte{0})
	}
	b := h.Sum(nil)[:16]
	b[6], b[8] = b[6]&0x0f|0x80, b[8]&0x3f|0x80
	s := hex.EncodeToString(b)
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
