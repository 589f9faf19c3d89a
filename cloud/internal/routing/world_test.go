package routing_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

// base is a Monday noon in Shanghai.
var base = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC).UnixMilli()

// world plays a ticket in virtual time: it plans, sends what is due with the
// outcome that `answer` gives, and plans again.
type world struct {
	t        *testing.T
	in       routing.Input
	log      []ticket.Transition
	answer   func(d routing.Delivery) routing.DeliveryState
	nowMS    int64
	nextMS   int64
	story    []string
	reasons  []routing.Reason
	tookMS   int64
	restless int
}

func newWorld(t *testing.T, fault ticket.Fault, severity ticket.Severity) *world {
	w := &world{t: t, nowMS: base}
	w.answer = func(routing.Delivery) routing.DeliveryState { return routing.Accepted }
	w.in.Plan = estate()
	w.log = []ticket.Transition{{
		ID: "raise", Ticket: "t1", Kind: ticket.Raise, AtMS: base, Stamp: ticket.Stamp{WallMS: base},
		Subject: &ticket.Subject{Estate: "garden", Device: "lift-1", DeviceKind: "elevator", Rule: "r", Fault: fault, Severity: severity},
	}}
	return w
}

func estate() duty.Plan {
	hook := func(id string) []duty.Channel { return []duty.Channel{{Kind: "webhook", URL: "http://x/" + id}} }
	person := func(id string, post duty.Post, vanguard bool) duty.Staff {
		return duty.Staff{ID: id, Estate: "garden", Post: post, Vanguard: vanguard, Channels: hook(id)}
	}
	return duty.Plan{
		Staff: []duty.Staff{
			person("boss", duty.Manager, false), person("chen", duty.Patrol, false), person("desk", duty.Desk, false),
			person("fix", duty.Maintainer, false), person("li", duty.Patrol, true), person("off", duty.Patrol, false),
			person("zhao", duty.Patrol, false),
		},
		Rosters: []duty.Roster{{ID: "r", Shifts: []duty.Shift{{
			From: "00:00", To: "24:00", Days: []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"},
			Staff: []string{"chen", "li"}, Leader: "zhao",
		}}}},
	}
}

// example is the policy of the contract.
func example() []routing.Policy {
	return []routing.Policy{{
		ID: "default", Estate: "garden", Match: routing.Match{Severity: []ticket.Severity{ticket.Critical, ticket.Major}},
		Steps: []routing.Step{{To: "duty"}, {To: "leader", After: 60 * time.Second}, {To: "staff:off", After: 5 * time.Minute}},
	}}
}

// happen records a change of the ticket now.
func (w *world) happen(k ticket.Kind, by, to string) {
	w.log = append(w.log, ticket.Transition{
		ID: fmt.Sprint("x", len(w.log)), Ticket: "t1", Kind: k, AtMS: w.nowMS,
		Stamp: ticket.Stamp{WallMS: w.nowMS, Number: uint64(len(w.log))},
		By:    ticket.Actor{Kind: ticket.ByStaff, ID: by}, To: to,
	})
	w.plan()
}

func (w *world) plan() routing.Decision {
	tk, ok := ticket.Fold(w.log)
	if !ok {
		w.t.Fatal("no ticket")
	}
	w.in.Ticket, w.in.NowMS = tk, w.nowMS
	d := routing.Plan(w.in)
	w.in.Progress, w.nextMS = d.Progress, d.NextMS
	w.reasons = append(w.reasons, d.Reasons...)
	for _, x := range append(d.Due, d.Cancel...) {
		w.save(x)
	}
	return d
}

func (w *world) save(d routing.Delivery) {
	for i := range w.in.Deliveries {
		if w.in.Deliveries[i].ID == d.ID {
			w.in.Deliveries[i] = d
			return
		}
	}
	w.in.Deliveries = append(w.in.Deliveries, d)
}

// until plays on until the given time after base.
func (w *world) until(d time.Duration) {
	end := base + d.Milliseconds()
	w.plan()
	for {
		if w.send() {
			continue
		}
		at := end
		if w.nextMS > w.nowMS {
			at = min(at, w.nextMS)
		}
		for _, x := range w.in.Deliveries {
			if x.State == routing.Pending {
				at = min(at, x.DueMS)
			}
		}
		if w.restless++; w.restless > 5000 {
			w.t.Fatalf("it never rests: now %d, next %d", w.nowMS-base, w.nextMS-base)
		}
		if at >= end {
			w.nowMS = end
			return
		}
		w.nowMS = max(at, w.nowMS)
		w.plan()
	}
}

func (w *world) send() bool {
	sent := false
	for _, d := range w.in.Deliveries {
		if d.State != routing.Pending || d.DueMS > w.nowMS {
			continue
		}
		state := w.answer(d)
		d.Attempts = append(append([]routing.Attempt{}, d.Attempts...), routing.Attempt{AtMS: w.nowMS, TookMS: w.tookMS, Outcome: state})
		d.State = state
		if state == routing.Accepted {
			d.AcceptedMS = w.nowMS
		}
		w.story = append(w.story, fmt.Sprintf("%s %s/%d %s %s",
			time.Duration(w.nowMS-base)*time.Millisecond, d.Staff, d.ChannelIndex, strings.TrimSpace(d.Track+" "+fmt.Sprint(d.Step)), state))
		w.save(d)
		sent = true
	}
	if sent {
		w.plan()
	}
	return sent
}

func (w *world) want(lines ...string) {
	w.t.Helper()
	if d := cmp.Diff(lines, w.story); d != "" {
		w.t.Error(d)
	}
}

func (w *world) why(code string) bool {
	for _, r := range w.reasons {
		if r.Code == code {
			return true
		}
	}
	return false
}
