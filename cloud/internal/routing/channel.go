package routing

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/linshao/linshao/cloud/internal/duty"
)

const (
	// unseenAfter is when the next channel follows one that only proves that
	// something was shown: a page left open, a radio left on.
	unseenAfter = 20 * time.Second
	// retryFirst, retryMost: the back-off of a channel that failed when there
	// is no further one.
	retryFirst = 2 * time.Second
	retryMost  = 2 * time.Minute
	// mostAttempts bounds retries once somebody was reached; before, there
	// is no bound.
	mostAttempts = 5
	// mostAhead: nothing is ever planned further ahead than a provider's
	// longest Retry-After; what is, was planned by another clock.
	mostAhead = time.Hour
)

// identity derives the id, shaped as a UUID (RFC 9562, version 8), from what
// makes this Delivery the one it is.
func (d Delivery) identity() string {
	h := sha256.Sum256([]byte(strings.Join([]string{
		string(d.Ticket), strconv.Itoa(d.Round), d.Track, strconv.Itoa(d.Step), d.Staff,
		strconv.Itoa(d.ChannelIndex), d.Channel,
	}, "\x00")))
	h[6] = h[6]&0x0f | 0x80
	h[8] = h[8]&0x3f | 0x80
	s := hex.EncodeToString(h[:16])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}

// page is the Deliveries of one person in one step, by channel.
type page struct {
	staff duty.Staff
	ds    []Delivery
}

// advanceChannels goes through the people paged so far: where a channel
// failed, the next one opens; where none is left, the failed are tried again.
func (c *climb) advanceChannels() {
	for _, p := range c.pages() {
		if c.stoppedDelivery(p.ds[0]) {
			continue
		}
		c.advance(p)
	}
}

func (c *climb) pages() []page {
	type key struct {
		track, staff string
		step         int
	}
	var order []key
	groups := map[key]*page{}
	for _, d := range c.round {
		k := key{d.Track, d.Staff, d.Step}
		if groups[k] == nil {
			staff := c.byID(d.Staff)
			if len(staff) == 0 {
				continue // left the estate
			}
			groups[k] = &page{staff: staff[0]}
			order = append(order, k)
		}
		groups[k].ds = append(groups[k].ds, d)
	}
	out := make([]page, 0, len(order))
	for _, k := range order {
		out = append(out, *groups[k])
	}
	return out
}

func (c *climb) advance(p page) {
	opened, waiting, cancelled, accepted, unseen := 0, false, false, int64(0), true
	for _, d := range p.ds {
		opened = max(opened, d.ChannelIndex+1)
		waiting = waiting || d.State == Sending || d.State == Pending && len(d.Attempts) == 0
		cancelled = cancelled || d.State == Cancelled
		if d.State == Accepted {
			accepted = max(accepted, d.AcceptedMS)
			unseen = unseen && (d.Channel == "stream" || d.Channel == "mqtt")
		}
	}
	more := opened < len(channelsOf(p.staff))
	switch {
	case accepted != 0 && !unseen:
		c.settleRest(p)
	case accepted != 0 && !waiting:
		if at := accepted + unseenAfter.Milliseconds(); c.in.NowMS < at {
			c.look(at)
		} else if more {
			c.next(p, opened, "unseen")
		} else {
			c.retry(p)
		}
	case waiting:
		c.unstick(p)
	case more && !cancelled:
		c.next(p, opened, "next_channel")
	default:
		c.retry(p)
	}
}

func (c *climb) next(p page, channel int, why string) {
	if escalation(p.ds[0]) {
		why = whyEscalated
	}
	c.open(p.ds[0].Track, p.ds[0].Step, p.staff, channel, why)
}

// settleRest cancels the retries of one who was reached otherwise.
func (c *climb) settleRest(p page) {
	for _, d := range p.ds {
		if d.State == Pending && len(d.Attempts) > 0 {
			c.cancel(d)
		}
	}
}

func (c *climb) unstick(p page) {
	for _, d := range p.ds {
		if d.State == Pending && d.DueMS > c.in.NowMS+mostAhead.Milliseconds() {
			d.DueMS = c.in.NowMS
			c.due(d)
		}
	}
}

// retry tries failed channels again under their own ids, and those cancelled
// by a mute that has ended.
func (c *climb) retry(p page) {
	c.unstick(p)
	for _, d := range p.ds {
		if d.State != Rejected && d.State != Unknown && d.State != Cancelled {
			continue
		}
		n := len(d.Attempts)
		if n >= mostAttempts && c.reached() {
			continue
		}
		at := c.in.NowMS
		if n > 0 {
			last := d.Attempts[n-1]
			at = max(at, last.AtMS+last.TookMS+backoff(n).Milliseconds())
			at = min(at, c.in.NowMS+retryMost.Milliseconds()) // the clock was set back
		}
		d.State, d.DueMS = Pending, at
		c.due(d)
		c.reason(Reason{Code: "retry", Track: d.Track, Step: d.Step, Staff: d.Staff, Detail: d.Channel})
	}
}

func backoff(attempts int) time.Duration { return min(retryFirst<<min(attempts-1, 10), retryMost) }

// reached reports whether anybody's channel accepted a page of this round.
func (c *climb) reached() bool {
	for _, d := range c.round {
		if d.State == Accepted {
			return true
		}
	}
	return false
}

// After returns d with the outcome of its latest attempt.
func (d Delivery) After(outcome DeliveryState, nowMS int64, took time.Duration, detail string) Delivery {
	d.Attempts = slices.Clone(d.Attempts)
	if n := len(d.Attempts); n > 0 {
		a := &d.Attempts[n-1]
		a.Outcome, a.TookMS, a.Detail = outcome, took.Milliseconds(), detail
	}
	d.State = outcome
	if outcome == Accepted {
		d.AcceptedMS = nowMS
	}
	return d
}
