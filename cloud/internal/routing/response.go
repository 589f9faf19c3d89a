package routing

import "github.com/linshao/linshao/protocol/ticket"

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
