package routing

import (
	"time"

	"github.com/linshao/linshao/protocol/ticket"
)

// Deadlines are the promises of one severity.
type Deadlines struct{ Accept, Arrive, Resolve, Feedback time.Duration }

// DeadlinesFor returns the defaults: respond and arrive in 30 min, a simple
// problem solved in 1 h, feedback on a complex one in 24 h. What is only
// listed (warning) has a working day to be seen.
func DeadlinesFor(s ticket.Severity) Deadlines {
	if s == ticket.Warning {
		return Deadlines{Accept: 24 * time.Hour, Arrive: 24 * time.Hour, Resolve: 72 * time.Hour, Feedback: 24 * time.Hour}
	}
	return Deadlines{Accept: 30 * time.Minute, Arrive: 30 * time.Minute, Resolve: time.Hour, Feedback: 24 * time.Hour}
}

// Due is the resident's clock: instants in Unix ms, counted from the event
// itself, whenever it reached us. It judges the estate, not a person.
type Due struct{ AcceptByMS, ArriveByMS, ResolveByMS, FeedbackByMS int64 }

// DueOf returns a ticket's deadlines.
func DueOf(t ticket.Ticket) Due {
	d := DeadlinesFor(t.Severity)
	by := func(x time.Duration) int64 { return t.RaisedMS + x.Milliseconds() }
	return Due{AcceptByMS: by(d.Accept), ArriveByMS: by(d.Arrive), ResolveByMS: by(d.Resolve), FeedbackByMS: by(d.Feedback)}
}

// Response is the person's clock: how long somebody took from the first page
// their channel accepted to their own acceptance and arrival, in ms. Only this
// one judges people. -1 stands for what has not happened.
type Response struct {
	Staff              string
	PagedMS            int64
	AcceptMS, ArriveMS int64
}

// ResponseOf measures one person on one ticket; false if no page ever reached
// them.
func ResponseOf(t ticket.Ticket, ds []Delivery, staff string) (Response, bool) {
	r := Response{Staff: staff, AcceptMS: -1, ArriveMS: -1}
	for _, d := range ds {
		if d.Staff == staff && d.State == Accepted && (r.PagedMS == 0 || d.AcceptedMS < r.PagedMS) {
			r.PagedMS = d.AcceptedMS
		}
	}
	if r.PagedMS == 0 {
		return Response{}, false
	}
	for _, x := range t.Log {
		if x.By.ID != staff || x.AtMS < r.PagedMS {
			continue
		}
		if x.Kind == ticket.Accept && r.AcceptMS < 0 {
			r.AcceptMS = x.AtMS - r.PagedMS
		}
		if x.Kind == ticket.Arrive && r.ArriveMS < 0 {
			r.ArriveMS = x.AtMS - r.PagedMS
		}
	}
	return r, true
}
