package routing

import (
	"fmt"
	"slices"
	"time"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/protocol/ticket"
)

// Input is everything a decision depends on.
type Input struct {
	// Ticket is folded, with its Log.
	Ticket   ticket.Ticket
	Policies []Policy
	Mutes    []Mute
	Plan     duty.Plan
	// AcceptWithin is the accept deadline, counted from the first look; 0
	// stands for 30 min.
	AcceptWithin time.Duration
	// Deliveries are all of the ticket so far, of every round.
	Deliveries []Delivery
	// Progress is the one of the Decision before, zero if there was none.
	Progress Progress
	NowMS    int64
}

// Decision is what must be written, all in one transaction.
type Decision struct {
	// Due are new Deliveries and retries (which keep their id and attempts):
	// all Pending, each to be sent at its DueMS.
	Due []Delivery
	// Cancel are Deliveries that must not be sent any more, State Cancelled.
	Cancel   []Delivery
	Progress Progress
	// NextMS is when to look again if nothing happens before; 0: never.
	NextMS  int64
	Reasons []Reason
}

// Reason is one sentence of the explanation, as a code that is translated
// where it is read.
type Reason struct {
	Code   string `json:"code"`
	Track  string `json:"track,omitempty"`
	Step   int    `json:"step"`
	Staff  string `json:"staff,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// String is for logs.
func (r Reason) String() string {
	return fmt.Sprintf("%s track=%q step=%d staff=%q %s", r.Code, r.Track, r.Step, r.Staff, r.Detail)
}

// Plan decides what is due. Planning twice plans once: with the Decision
// written, the same Input at the same instant yields nothing new.
//
// The rules, in the order in which they are applied:
//
//   - A resolved or muted ticket pages nobody. Life safety knows no mutes.
//   - The first matching policy gives the steps, else DefaultSteps. Minor
//     tickets and warnings whose condition has cleared page nobody further.
//   - A step's `after` runs from the first look at the ticket in this round. A
//     step that is more than lateSlack late moves all that follow by its
//     lateness, so that no delay fires the ladder at once.
//   - "duty" pages all vanguard members on duty together, and the rest of the
//     shift after them; without vanguard members the whole shift at once.
//   - A step that finds nobody, or whose people could not be reached on any of
//     their channels (refused twice, or silent once), makes the next one due at
//     once.
//   - When the steps are used up and nobody was reached: every manager and the
//     desk, then everybody with a channel. Never silence.
//   - An acceptance stops the tracks in which that person was paged (else the
//     common one). For an entrapment it stops that person's pages only.
//   - While nobody accepted within the accept deadline, leaders and managers
//     are paged, again after twice that time, and so on.
//   - A transfer pages the new assignee, then the ladder; a reopened ticket is
//     paged afresh.
func Plan(in Input) Decision {
	c := newClimb(in)
	if why, untilMS := c.silent(); why != "" {
		c.reason(Reason{Code: why})
		c.cancelPending(func(Delivery) bool { return true })
		c.look(untilMS)
		return c.out
	}
	ladders, why := laddersFor(in.Policies, in.Ticket, c.leg)
	if len(ladders) == 0 {
		c.reason(Reason{Code: why})
		c.cancelPending(func(Delivery) bool { return true })
		return c.out
	}
	c.start()
	c.cancelPending(c.stoppedDelivery)
	c.advanceChannels()
	for _, l := range ladders {
		c.climb(l)
	}
	c.escalated()
	c.overdue()
	c.fallback(ladders)
	return c.out
}

// climb is one decision in the making.
type climb struct {
	in     Input
	leg    leg
	answer duty.Answer
	// round holds the Deliveries of this round, new ones included.
	round []Delivery
	// lateMS is the lateness of the latest step.
	lateMS int64
	out    Decision
}

func newClimb(in Input) *climb {
	c := &climb{in: in, leg: legOf(in.Ticket.Log), answer: duty.At(in.Plan, in.NowMS)}
	c.out.Progress = in.Progress
	c.out.Progress.Tracks = slices.Clone(in.Progress.Tracks)
	for _, d := range in.Deliveries {
		if d.Round == c.leg.round {
			c.round = append(c.round, d)
		}
	}
	return c
}

// silent says why nobody is paged now, and when that ends (0: never).
func (c *climb) silent() (why string, untilMS int64) {
	if !c.in.Ticket.State.Unresolved() {
		return "resolved", 0
	}
	if m, ok := muted(c.in.Mutes, c.in.Ticket, c.in.NowMS); ok {
		return "muted", m.ToMS
	}
	return "", 0
}

// start begins a round, or mends the start of one where the clock was set back.
func (c *climb) start() {
	p := &c.out.Progress
	if p.StartMS == 0 || p.Round != c.leg.round {
		*p = Progress{Round: c.leg.round, StartMS: c.in.NowMS}
	}
	p.StartMS = min(p.StartMS, c.in.NowMS)
}

// stopped reports whether an acceptance ended the track.
func (c *climb) stopped(track string) bool {
	if c.in.Ticket.State == ticket.Open || c.in.Ticket.Fault == ticket.Entrapment {
		return false
	}
	tracks := map[string]bool{}
	for _, d := range c.round {
		if c.leg.accepted[d.Staff] {
			tracks[d.Track] = true
		}
	}
	return tracks[track] || len(tracks) == 0 && track == ""
}

func (c *climb) stoppedDelivery(d Delivery) bool {
	return d.Round != c.leg.round || c.leg.accepted[d.Staff] || c.stopped(d.Track) && !escalation(d)
}

// escalation: what a person asked for after the acceptance is not stopped by it.
func escalation(d Delivery) bool { return d.Reason == whyEscalated }

const whyEscalated = "escalated"

func (c *climb) cancelPending(which func(Delivery) bool) {
	for _, d := range c.in.Deliveries {
		if d.State == Pending && which(d) {
			c.cancel(d)
		}
	}
}

func (c *climb) cancel(d Delivery) {
	d.State = Cancelled
	c.out.Cancel = append(c.out.Cancel, d)
	c.replace(d)
}

func (c *climb) due(d Delivery) {
	c.out.Due = append(c.out.Due, d)
	c.replace(d)
}

func (c *climb) replace(d Delivery) {
	for i := range c.round {
		if c.round[i].ID == d.ID {
			c.round[i] = d
			return
		}
	}
	if d.Round == c.leg.round {
		c.round = append(c.round, d)
	}
}

func (c *climb) reason(r Reason) { c.out.Reasons = append(c.out.Reasons, r) }

// look asks for a decision at ms.
func (c *climb) look(ms int64) {
	if ms != 0 && (c.out.NextMS == 0 || ms < c.out.NextMS) {
		c.out.NextMS = ms
	}
}
