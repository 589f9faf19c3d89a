package routing

import "github.com/linshao/linshao/protocol/ticket"

// leg is the part of a ticket's life since it was raised, reopened or handed
// over last: what is paged afresh.
type leg struct {
	round int
	// to is the staff id the ticket was handed to; empty: whoever is on duty.
	to string
	// accepted holds who accepted or arrived in this leg.
	accepted map[string]bool
	// escalations counts the escalations of this leg.
	escalations int
}

// legOf reads the log by the same rules as ticket.Fold.
func legOf(log []ticket.Transition) leg {
	l := leg{accepted: map[string]bool{}}
	begin := func(to string) { l = leg{round: l.round + 1, to: to, accepted: map[string]bool{}} }
	unresolved, raised := true, false
	for _, x := range log {
		switch x.Kind {
		case ticket.Raise, ticket.Occur:
			if x.Kind == ticket.Raise && !raised {
				raised = true
				continue
			}
			if !unresolved {
				begin("")
			}
			unresolved = true
		case ticket.Reopen:
			if !unresolved {
				begin("")
			}
			unresolved = true
		case ticket.Resolve, ticket.MarkFalseAlarm:
			unresolved = false
		case ticket.Transfer:
			if unresolved {
				begin(x.To)
			}
		case ticket.Accept, ticket.Arrive:
			if unresolved {
				l.accepted[x.By.ID] = true
			}
		case ticket.Escalate:
			if unresolved {
				l.escalations++
			}
		}
	}
	return l
}
