package ticket

import "fmt"

// NotAllowedError says why a change does not fit a ticket as it stands. Its
// stable code at the API is transition_not_allowed.
type NotAllowedError struct {
	Kind  Kind
	State State
	// Why is a sentence for people.
	Why string
}

func (e *NotAllowedError) Error() string {
	return fmt.Sprintf("%s is not allowed while the ticket is %s: %s", e.Kind, e.State, e.Why)
}

// Allowed reports whether a principal may make a change of kind k to t now,
// as far as the ticket's own state decides (roles are decided elsewhere). The
// error is a *NotAllowedError. A Raise, Occur or Clear is a device's word and
// never a person's.
func Allowed(t Ticket, k Kind) error {
	no := func(why string) error { return &NotAllowedError{Kind: k, State: t.State, Why: why} }
	switch k {
	case Accept:
		if t.State != Open {
			return no("only an open ticket can be accepted")
		}
	case Arrive:
		if t.State != Open && t.State != Accepted {
			return no("arrival is recorded once, before the ticket is resolved")
		}
	case Resolve:
		if !t.State.Unresolved() {
			return no("it is resolved already")
		}
		if t.Fault == Entrapment && t.State != Arrived {
			return no("an entrapment can be resolved only by somebody who has arrived")
		}
	case MarkFalseAlarm:
		if !t.State.Unresolved() {
			return no("it is resolved already")
		}
		if t.Fault == Entrapment && t.State != Arrived {
			return no("an entrapment is called a false alarm only after arrival")
		}
	case Close:
		if t.State != Resolved {
			return no("only a resolved ticket can be closed")
		}
	case Reopen:
		if t.State.Unresolved() {
			return no("it is still being worked on")
		}
	case Transfer, Escalate:
		if !t.State.Unresolved() {
			return no("it is resolved already")
		}
	case Comment:
	default:
		return no("this change is not made by people")
	}
	return nil
}
