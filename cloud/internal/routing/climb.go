package routing

import (
	"slices"
	"time"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/protocol/ticket"
)

const (
	// lateSlack is the lateness of a step that is taken for a busy moment;
	// above it the clock jumped or the collector was down.
	lateSlack = 2 * time.Second
	// nobodyLook is how soon an estate in which nobody can be paged is looked
	// at again: somebody may have been imported.
	nobodyLook = 60 * time.Second
	// coveredWithin: entrapment tracks do not page a person whom another of
	// them paged this short a time ago.
	coveredWithin = 30 * time.Second
	// mostOverdue bounds the doubling of the accept deadline (two years).
	mostOverdue = 15
)

// climb fires every rung of one ladder that is due.
func (c *climb) climb(l ladder) {
	p := c.track(l.track)
	c.unjump(p, l)
	early := false // the rung before found nobody
	for _, r := range l.rungs {
		if slices.Contains(p.Done, r.key) {
			continue
		}
		forced := l.track == "" && c.out.Progress.Escalations < c.leg.escalations
		if c.stopped(l.track) && !forced {
			break
		}
		dueMS := p.AnchorMS + r.after.Milliseconds()
		if c.in.NowMS < dueMS && !early && !forced && !c.failed(l.track) {
			c.look(dueMS)
			break
		}
		people, why := c.whom(r.to, func(staff string) bool { return c.pagedIn(l.track, r.step, staff) })
		p.Done = append(p.Done, r.key)
		if len(people) == 0 {
			if !r.optional {
				c.reason(Reason{Code: "nobody_found", Track: l.track, Step: r.step, Detail: r.to})
				early = true
			}
			continue
		}
		c.reanchor(p, r, dueMS)
		if forced {
			why = whyEscalated
		}
		paged := c.page(l.track, r.step, people, why)
		early = forced && paged == 0
		if forced && paged > 0 && !r.optional {
			c.out.Progress.Escalations++
		}
	}
	c.setTrack(*p)
}

// reanchor keeps the distances between steps when this one is early or late.
func (c *climb) reanchor(p *TrackProgress, r rung, dueMS int64) {
	late := c.in.NowMS - dueMS
	if late >= 0 && late <= lateSlack.Milliseconds() {
		return
	}
	p.AnchorMS = c.in.NowMS - r.after.Milliseconds()
	if late > 0 {
		c.lateMS = max(c.lateMS, late)
		c.reason(Reason{Code: "late", Track: p.Track, Step: r.step, Detail: (time.Duration(late) * time.Millisecond).String()})
	}
}

// unjump: the last rung that is done can't lie ahead; if it does, the clock
// was set back, and counting goes on from now.
func (c *climb) unjump(p *TrackProgress, l ladder) {
	var last time.Duration
	for _, r := range l.rungs {
		if slices.Contains(p.Done, r.key) {
			last = max(last, r.after)
		}
	}
	p.AnchorMS = min(p.AnchorMS, c.in.NowMS-last.Milliseconds())
}

func (c *climb) track(name string) *TrackProgress {
	for _, t := range c.out.Progress.Tracks {
		if t.Track == name {
			t.Done = slices.Clone(t.Done)
			return &t
		}
	}
	return &TrackProgress{Track: name, AnchorMS: c.out.Progress.StartMS}
}

func (c *climb) setTrack(t TrackProgress) {
	ts := c.out.Progress.Tracks
	for i := range ts {
		if ts[i].Track == t.Track {
			ts[i] = t
			return
		}
	}
	c.out.Progress.Tracks = append(ts, t)
}

// page writes a first Delivery for each of people who has none in this step,
// and returns for how many it stands (those covered by another track count).
func (c *climb) page(track string, step int, people []duty.Staff, why string) int {
	n := 0
	for _, s := range people {
		if c.leg.accepted[s.ID] {
			c.reason(Reason{Code: "has_accepted", Track: track, Step: step, Staff: s.ID})
			continue
		}
		n++
		if c.covered(track, s.ID) {
			c.reason(Reason{Code: "paged_just_now", Track: track, Step: step, Staff: s.ID})
			continue
		}
		if !c.pagedIn(track, step, s.ID) {
			c.open(track, step, s, 0, why)
		}
	}
	return n
}

func (c *climb) open(track string, step int, s duty.Staff, channel int, why string) {
	d := Delivery{
		Estate: c.in.Ticket.Estate, Ticket: c.in.Ticket.ID, Round: c.leg.round, Track: track, Step: step,
		Staff: s.ID, Channel: channelsOf(s)[channel].Kind, ChannelIndex: channel,
		State: Pending, Reason: why, DueMS: c.in.NowMS,
	}
	d.ID = d.identity()
	c.due(d)
	c.reason(Reason{Code: why, Track: track, Step: step, Staff: s.ID, Detail: d.Channel})
}

func (c *climb) pagedIn(track string, step int, staff string) bool {
	return slices.ContainsFunc(c.round, func(d Delivery) bool {
		return d.Track == track && d.Step == step && d.Staff == staff
	})
}

// covered is asked for the tracks of an entrapment only: there no acceptance
// of another person takes the covering page away.
func (c *climb) covered(track, staff string) bool {
	return c.in.Ticket.Fault == ticket.Entrapment && slices.ContainsFunc(c.round, func(d Delivery) bool {
		return d.Track != track && d.Staff == staff && d.live() && d.DueMS > c.in.NowMS-coveredWithin.Milliseconds()
	})
}

// live: the person was reached, or may be in a moment. A retry is not live:
// nobody waits for it.
func (d Delivery) live() bool {
	return d.State == Accepted || d.State == Sending || d.State == Pending && len(d.Attempts) == 0
}

// hopeful: a first refusal may be a provider's hiccup, so one quick retry comes
// before the next person is woken. A silence has cost enough time already, and
// life safety does not hope.
func (c *climb) hopeful(d Delivery) bool {
	return d.live() || !c.in.Ticket.Fault.LifeSafety() && d.State != Cancelled &&
		len(d.Attempts) == 1 && d.Attempts[0].Outcome == Rejected
}

// failed reports whether the track paged people and reached none of them.
func (c *climb) failed(track string) bool {
	paged := false
	for _, d := range c.round {
		if d.Track != track {
			continue
		}
		if c.hopeful(d) {
			return false
		}
		paged = true
	}
	return paged
}

// escalated answers what people asked for when the ladder was used up.
func (c *climb) escalated() {
	for p := &c.out.Progress; p.Escalations < c.leg.escalations; p.Escalations++ {
		people, _ := c.whom(toSuperiors, nil)
		c.page("", StepEscalated+p.Escalations%(StepOverdue-StepEscalated), people, whyEscalated)
	}
}

// overdue pages the superiors when the accept deadline passes, and again after
// twice the time. An entrapment is overdue until somebody has arrived.
func (c *climb) overdue() {
	t := c.in.Ticket
	if t.State != ticket.Open && (t.Fault != ticket.Entrapment || t.State == ticket.Arrived) {
		return
	}
	p := &c.out.Progress
	p.StartMS = min(p.StartMS+c.lateMS, c.in.NowMS)
	deadline := func() int64 { return p.StartMS + c.acceptWithin().Milliseconds()<<p.Overdue }
	if p.Overdue < mostOverdue && c.in.NowMS >= deadline() {
		people, _ := c.whom(toSuperiors, nil)
		c.page("", StepOverdue+p.Overdue, people, "overdue")
		for p.Overdue < mostOverdue && c.in.NowMS >= deadline() {
			p.Overdue++
		}
	}
	if p.Overdue < mostOverdue {
		c.look(deadline())
	}
}

func (c *climb) acceptWithin() time.Duration {
	if c.in.AcceptWithin > 0 {
		return c.in.AcceptWithin
	}
	return 30 * time.Minute
}

// fallback ends silence: the ladders are used up and nobody was reached. Life
// safety does not wait for a ladder's later steps.
func (c *climb) fallback(ladders []ladder) {
	t := c.in.Ticket
	if !t.Fault.LifeSafety() && slices.ContainsFunc(ladders, c.unfinished) || t.State != ticket.Open && t.Fault != ticket.Entrapment {
		return
	}
	common := c.track("")
	for _, r := range []rung{{key: "fallback", step: StepFallback, to: toFallback}, {key: "everybody", step: StepEverybody, to: toEverybody}} {
		if slices.ContainsFunc(c.round, c.hopeful) {
			return
		}
		if people, why := c.whom(r.to, nil); !slices.Contains(common.Done, r.key) && len(people) > 0 {
			common.Done = append(common.Done, r.key)
			c.page("", r.step, people, why)
		}
	}
	c.setTrack(*common)
	if len(c.round) == 0 {
		c.reason(Reason{Code: "nobody_in_estate"})
		c.look(c.in.NowMS + nobodyLook.Milliseconds())
	}
}

func (c *climb) unfinished(l ladder) bool {
	done := c.track(l.track).Done
	return slices.ContainsFunc(l.rungs, func(r rung) bool { return !slices.Contains(done, r.key) })
}
