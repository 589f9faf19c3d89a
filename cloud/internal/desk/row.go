// Package desk owns the lifecycle of tickets in the cloud: it applies what the
// edges report, makes what people decide, and keeps what must be found again.
//
// Everything happens inside the caller's transaction: Transitions, the folded
// Row, the audit entry, the event for the console, and the agenda item that
// makes routing look are kept or lost together. The same Transition has one
// effect however often it arrives.
//
// Cloud-born Transitions are stamped per ticket: each follows everything that
// is in the ticket's log, whatever clock wrote it. A clock that is far ahead
// can therefore drag no ticket but its own, and people can still act on that
// one; a single clock for all tickets would need a limit that breaks this.
//
// Downwards: what was born here is offered to the ticket's edge right after
// the commit, and Downlinks computes it again for every hello of an edge. An
// edge keeps what it has seen by id, so that resending costs bytes and nothing
// else, and no table of acknowledgements can be wrong.
package desk

import (
	"slices"

	"github.com/linshao/linshao/protocol/ticket"
)

// Row is one ticket as the cloud keeps it: the fold of its log, and what only
// the cloud knows about it.
type Row struct {
	ticket.Ticket
	// ReceivedMS is when the raise reached the cloud.
	ReceivedMS int64
	// Round counts reopenings; each is paged afresh.
	Round int
	// PageableMS is the first instant at which this round could be paged;
	// steps count from it, so that a late arrival never fires the whole
	// ladder at once.
	PageableMS int64
	Due        Due
	UpdatedMS  int64
}

// rounds counts how often a sorted log reopens its ticket, and returns when
// the present round began in the world. It walks as ticket.Fold does.
func rounds(log []ticket.Transition) (n int, beganMS int64) {
	if i := slices.IndexFunc(log, isRaise); i >= 0 {
		beganMS = log[i].AtMS
	}
	unresolved, first := true, true
	for _, x := range log {
		switch x.Kind {
		case ticket.Raise, ticket.Occur, ticket.Reopen:
			if isRaise(x) && first {
				first = false
				continue
			}
			if !unresolved {
				n, unresolved, beganMS = n+1, true, x.AtMS
			}
		case ticket.Resolve, ticket.MarkFalseAlarm:
			unresolved = false
		}
	}
	return n, beganMS
}

func isRaise(x ticket.Transition) bool { return x.Kind == ticket.Raise }
