package desk_test

import (
	"slices"

	"github.com/linshao/linshao/protocol/ticket"
)

// told is what a log says, in the words that people read.
type told struct {
	State       ticket.State
	Condition   ticket.Condition
	Assignee    string
	Outcome     ticket.Outcome
	Occurrences int
	ClearedMS   int64
	Aliases     int
}

func toldOf(t ticket.Ticket) told {
	return told{t.State, t.Condition, t.Assignee, t.Outcome, t.Occurrences, t.ClearedMS, len(t.Aliases)}
}

// moves is the workflow as a table; what is not in it moves nothing.
var moves = map[ticket.State]map[ticket.Kind]ticket.State{
	ticket.Open: {
		ticket.Accept: ticket.Accepted, ticket.Arrive: ticket.Arrived, ticket.Resolve: ticket.Resolved,
		ticket.MarkFalseAlarm: ticket.Closed, ticket.Transfer: ticket.Open,
	},
	ticket.Accepted: {
		ticket.Arrive: ticket.Arrived, ticket.Resolve: ticket.Resolved, ticket.MarkFalseAlarm: ticket.Closed, ticket.Transfer: ticket.Open,
	},
	ticket.Arrived: {ticket.Resolve: ticket.Resolved, ticket.MarkFalseAlarm: ticket.Closed, ticket.Transfer: ticket.Open},
	ticket.Resolved: {
		ticket.Close: ticket.Closed, ticket.Reopen: ticket.Open, ticket.Occur: ticket.Open, ticket.Raise: ticket.Open,
	},
	ticket.Closed: {ticket.Reopen: ticket.Open, ticket.Occur: ticket.Open, ticket.Raise: ticket.Open},
}

// naive reads a log as a person would: lay the slips out by their stamps, throw
// copies away, then answer each question by itself.
func naive(log []ticket.Transition, self ticket.ID) (told, bool) {
	slips := map[string]ticket.Transition{}
	for _, x := range log {
		slips[x.ID] = x
	}
	var laid []ticket.Transition
	for _, x := range slips {
		at := 0
		for at < len(laid) && before(laid[at], x) {
			at++
		}
		laid = slices.Insert(laid, at, x)
	}
	raise := slices.IndexFunc(laid, func(x ticket.Transition) bool { return x.Kind == ticket.Raise })
	if raise < 0 {
		return told{}, false
	}
	rest := slices.Delete(slices.Clone(laid), raise, raise+1)
	out := told{Occurrences: 1 + count(rest, ticket.Raise, ticket.Occur), Condition: ticket.Active}
	out.Aliases = aliases(rest, self)
	out.condition(laid)
	out.workflow(rest)
	return out, true
}

func before(a, b ticket.Transition) bool {
	if a.Stamp == b.Stamp {
		return a.ID < b.ID
	}
	return a.Stamp.Compare(b.Stamp) < 0
}

func count(log []ticket.Transition, kinds ...ticket.Kind) (n int) {
	for _, x := range log {
		if slices.Contains(kinds, x.Kind) {
			n++
		}
	}
	return n
}

func aliases(log []ticket.Transition, self ticket.ID) int {
	names := map[ticket.ID]bool{}
	for _, x := range log {
		if x.Kind == ticket.Alias && x.AliasID != "" && x.AliasID != self {
			names[x.AliasID] = true
		}
	}
	return len(names)
}

// condition: the first clear behind the last time that it came.
func (t *told) condition(log []ticket.Transition) {
	for i := len(log) - 1; i >= 0 && log[i].Kind != ticket.Raise && log[i].Kind != ticket.Occur; i-- {
		if log[i].Kind == ticket.Clear {
			t.Condition, t.ClearedMS = ticket.Cleared, log[i].AtMS
		}
	}
}

func (t *told) workflow(log []ticket.Transition) {
	t.State = ticket.Open
	for _, x := range log {
		to, moved := moves[t.State][x.Kind]
		if !moved {
			continue
		}
		switch {
		case x.Kind == ticket.Transfer:
			t.Assignee = x.To
		case to == ticket.Open:
			t.Assignee, t.Outcome = "", ""
		case t.State == ticket.Open && (to == ticket.Accepted || to == ticket.Arrived):
			t.Assignee = x.By.ID
		case x.Kind == ticket.Resolve:
			t.Outcome = ticket.Fixed
		case x.Kind == ticket.MarkFalseAlarm:
			t.Outcome = ticket.FalseAlarm
		}
		t.State = to
	}
}
