package ticket

import (
	"cmp"
	"slices"
)

// Sort returns the log in Stamp order (ties by ID) without the copies that
// carry the same ID. log itself is left as it is.
func Sort(log []Transition) []Transition {
	out := slices.Clone(log)
	slices.SortFunc(out, func(a, b Transition) int {
		return cmp.Or(a.Stamp.Compare(b.Stamp), cmp.Compare(a.ID, b.ID))
	})
	seen := make(map[string]bool, len(out))
	return slices.DeleteFunc(out, func(t Transition) bool {
		if seen[t.ID] {
			return true
		}
		seen[t.ID] = true
		return false
	})
}

// Fold computes the Ticket that a log describes. The order of log does not
// matter and copies do no harm. It reports false while the log holds no
// Raise: what came before it is kept by the caller until the Raise arrives.
//
// Fold never refuses: a change that was not allowed when it was made (two
// people accepted on two sides of a cut) stays in the log and the timeline,
// and the earlier one by Stamp wins.
func Fold(log []Transition) (Ticket, bool) {
	var t Ticket
	t.Log = Sort(log)
	raised := false
	for _, x := range t.Log {
		if x.Kind == Raise && x.Subject != nil && !raised {
			raised = true
			t.ID = x.Ticket
			t.Subject = *x.Subject
			t.RaisedMS = x.AtMS
			t.State = Open
			t.Condition = Active
			t.Occurrences = 1
			t.Evidence = x.Evidence
		}
	}
	if !raised {
		return Ticket{}, false
	}
	first := true
	for _, x := range t.Log {
		if x.Kind == Raise && first {
			first = false
			t.begin(x)
			continue
		}
		t.apply(x)
	}
	return t, true
}

// begin is the raise in its place. What stands before it was told of the same
// condition under another name; it says nothing of how things are after it.
func (t *Ticket) begin(x Transition) {
	t.Condition, t.ClearedMS = Active, 0
	if len(x.Evidence) > 0 {
		t.Evidence = x.Evidence
	}
}

// apply makes one change. It is total: unknown kinds and changes that no
// longer fit leave the state as it is.
func (t *Ticket) apply(x Transition) {
	switch x.Kind {
	case Raise, Occur:
		t.recur(x)
	case Clear:
		if t.Condition == Active {
			t.Condition, t.ClearedMS = Cleared, x.AtMS
		}
	case Accept:
		if t.State == Open {
			t.State, t.AcceptedMS, t.Assignee = Accepted, x.AtMS, x.By.ID
		}
	case Arrive:
		t.arrive(x)
	case Resolve:
		t.end(x, Resolved, cmp.Or(x.Outcome, Fixed))
	case MarkFalseAlarm:
		t.end(x, Closed, FalseAlarm)
	case Close:
		if t.State == Resolved {
			t.State, t.ClosedMS = Closed, x.AtMS
		}
	case Reopen:
		if !t.State.Unresolved() {
			t.reopen()
		}
	case Transfer:
		if t.State.Unresolved() {
			t.State, t.Assignee = Open, x.To
			t.AcceptedMS, t.ArrivedMS = 0, 0
		}
	case Escalate:
		if t.State.Unresolved() {
			t.Escalations++
		}
	case Alias:
		if x.AliasID != "" && x.AliasID != t.ID && !slices.Contains(t.Aliases, x.AliasID) {
			t.Aliases = append(t.Aliases, x.AliasID)
		}
	case Comment:
	}
}

// recur counts the same condition again; one that comes back after people
// were done reopens the ticket, so that somebody is paged.
func (t *Ticket) recur(x Transition) {
	t.Occurrences++
	t.Condition, t.ClearedMS = Active, 0
	if len(x.Evidence) > 0 {
		t.Evidence = x.Evidence
	}
	if !t.State.Unresolved() {
		t.reopen()
	}
}

func (t *Ticket) reopen() {
	t.State, t.Outcome, t.Assignee = Open, "", ""
	t.AcceptedMS, t.ArrivedMS, t.ResolvedMS, t.ClosedMS = 0, 0, 0, 0
}

// arrive accepts by the way where nobody had: whoever stands there has it.
func (t *Ticket) arrive(x Transition) {
	switch t.State {
	case Open:
		t.AcceptedMS, t.Assignee = x.AtMS, x.By.ID
	case Accepted:
	default:
		return
	}
	t.State, t.ArrivedMS = Arrived, x.AtMS
}

func (t *Ticket) end(x Transition, to State, outcome Outcome) {
	if !t.State.Unresolved() {
		return
	}
	t.State, t.Outcome, t.ResolvedMS = to, outcome, x.AtMS
	if to == Closed {
		t.ClosedMS = x.AtMS
	}
}
