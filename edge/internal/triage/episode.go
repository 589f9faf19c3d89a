package triage

import (
	"slices"
	"strconv"

	"github.com/linshao/linshao/protocol/ticket"
)

// maxLog is how many Transitions of one ticket are kept here. The cloud keeps
// all of them; the edge lets go of old comings and goings of the condition.
const maxLog = 96

// episode is the newest ticket of one key.
type episode struct {
	key ticket.Key
	// raised orders episodes of one key.
	raised ticket.Stamp
	// log holds the Transitions; trimmed counts the occurrences let go.
	log     []ticket.Transition
	trimmed int
	// ticket is the fold of log.
	ticket ticket.Ticket
	// active is the detector's last word. It differs from the ticket's
	// condition only while something is hushed.
	active bool
	// hushed counts what has not been told since the last telling, with the
	// newest of it.
	hushed         int
	hushedAtMS     int64
	hushedEvidence []ticket.Evidence
	// toldMS is the monotonic time of the last raise or occurrence, if that
	// was told since the start.
	told   bool
	toldMS int64
}

// add puts a Transition into the log; it reports false for a copy.
func (e *episode) add(x ticket.Transition) bool {
	if slices.ContainsFunc(e.log, func(y ticket.Transition) bool { return y.ID == x.ID }) {
		return false
	}
	e.log = append(e.log, x)
	if len(e.log) > maxLog {
		e.trim()
	}
	e.fold()
	return true
}

func (e *episode) fold() {
	e.ticket, _ = ticket.Fold(e.log)
	e.log = e.ticket.Log
	e.ticket.Occurrences += e.trimmed
}

// trim lets go of the older half's comings and goings. What decides the state
// stays: the raise, people's words, the first occurrence after they were done
// (it reopened the ticket), the device's last word, and the newest half.
func (e *episode) trim() {
	log := ticket.Sort(e.log)
	last := 0
	for i, x := range log {
		if passing(x) {
			last = i
		}
	}
	done, kept := false, log[:0]
	for i, x := range log {
		reopens := done && x.Kind == ticket.Occur
		switch {
		case i >= maxLog/2, i == last, !passing(x), reopens:
			kept = append(kept, x)
		case x.Kind == ticket.Occur:
			e.trimmed++
		}
		switch {
		case x.Kind == ticket.Resolve, x.Kind == ticket.MarkFalseAlarm:
			done = true
		case reopens, x.Kind == ticket.Reopen:
			done = false
		}
	}
	e.log = kept
}

func passing(x ticket.Transition) bool { return x.Kind == ticket.Occur || x.Kind == ticket.Clear }

// over reports whether nobody needs the episode any more.
func (e *episode) over() bool {
	return e.ticket.State == ticket.Closed && !e.active
}

// flapping is the reason code of an occurrence that stands for n of them.
func flapping(n int) string { return "flapping:" + strconv.Itoa(n) }

// downgrade makes a subject of a device that somebody works on a warning. The
// title keeps the full severity, for the day's record and for the moment when
// the work ends.
func downgrade(s ticket.Subject) ticket.Subject {
	p := make(map[string]string, len(s.Title.Params)+1)
	for k, v := range s.Title.Params {
		p[k] = v
	}
	p[maintenanceParam] = string(s.Severity)
	s.Title.Params, s.Severity = p, ticket.Warning
	return s
}

const maintenanceParam = "maintenance"

// upgrade undoes downgrade; it reports false for a subject that is not
// downgraded.
func upgrade(s ticket.Subject) (ticket.Subject, bool) {
	full, ok := s.Title.Params[maintenanceParam]
	if !ok {
		return s, false
	}
	p := make(map[string]string, len(s.Title.Params))
	for k, v := range s.Title.Params {
		if k != maintenanceParam {
			p[k] = v
		}
	}
	s.Title.Params, s.Severity = p, ticket.Severity(full)
	return s, true
}
