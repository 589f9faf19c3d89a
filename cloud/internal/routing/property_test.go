package routing_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/title"
)

// history is one ticket's life under any ladder, any people, any outcome of any
// channel and any order of what people do.
type history struct {
	*world
	rng *rand.Rand
	// broken is told of a counterexample and does not return.
	broken func(format string, args ...any)
}

// between draws from [lo, hi].
func (h *history) between(lo, hi int64) int64 { return lo + h.rng.Int64N(hi-lo+1) }

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func (h *history) play() {
	at := time.Duration(0)
	for range h.between(1, 8) {
		at += time.Duration(h.between(0, 400_000)) * time.Millisecond
		before := slices.Clone(h.in.Deliveries)
		h.until(at)
		h.checkGrowth(before, h.in.Deliveries)
		h.checkIdempotent()
		h.checkSomebodyIsPaged()
		if h.rng.IntN(3) == 0 {
			h.happen(pick(h.rng, ticket.Accept, ticket.Arrive, ticket.Resolve, ticket.Reopen, ticket.Transfer, ticket.Escalate, ticket.Clear, ticket.Occur),
				h.person(), h.person())
		}
	}
	for _, r := range h.reasons {
		if !slices.Contains(title.PagingCodes(), r.Code) {
			h.broken("reason %s has no words", r)
		}
	}
}

func (h *history) person() string {
	i := h.rng.IntN(len(h.in.Plan.Staff) + 1)
	if i == len(h.in.Plan.Staff) {
		return ""
	}
	return h.in.Plan.Staff[i].ID
}

func newHistory(t *testing.T, rng *rand.Rand, broken func(format string, args ...any)) *history {
	fault := pick(rng, ticket.DoorForced, ticket.Entrapment, ticket.Duress)
	h := &history{world: newWorld(t, fault, pick(rng, ticket.Critical, ticket.Major, ticket.Minor, ticket.Warning)), rng: rng, broken: broken}
	h.drawStaff()
	h.in.Plan.Rosters[0].SignOn = rng.IntN(2) == 0
	if rng.IntN(2) == 0 {
		h.drawPolicy()
	}
	if rng.IntN(4) == 0 {
		from := base + h.between(-1000, 600_000)
		h.in.Mutes = []routing.Mute{{Estate: "garden", Rule: "r", FromMS: from, ToMS: from + h.between(1, 600_000)}}
	}
	bad := rng.IntN(4)
	outcomes := []routing.DeliveryState{routing.Accepted, routing.Accepted, routing.Rejected, routing.Unknown}
	h.answer = func(routing.Delivery) routing.DeliveryState { return outcomes[rng.IntN(1+bad)] }
	h.tookMS = h.between(0, 10_000)
	return h
}

func (h *history) drawStaff() {
	var staff []duty.Staff
	for _, s := range h.in.Plan.Staff {
		if h.rng.IntN(4) == 0 {
			continue
		}
		s.Channels = nil
		for range h.rng.IntN(4) {
			s.Channels = append(s.Channels, duty.Channel{Kind: pick(h.rng, "webhook", "stream", "mqtt")})
		}
		staff = append(staff, s)
	}
	h.in.Plan.Staff = staff
}

func (h *history) drawPolicy() {
	p := routing.Policy{ID: "p", Estate: "garden"}
	for range h.rng.IntN(5) {
		p.Steps = append(p.Steps, routing.Step{
			To:    pick(h.rng, "duty", "leader", "manager", "desk", "maintainer", "staff:off", "staff:ghost"),
			After: time.Duration(h.between(0, 300)) * time.Second,
			Track: pick(h.rng, "", "", "b"),
		})
	}
	h.in.Policies = []routing.Policy{p}
}

// Nothing that was planned disappears or loses its attempts.
func (h *history) checkGrowth(before, after []routing.Delivery) {
	ids := map[string]int{}
	type key struct {
		round, step, channel int
		track, staff         string
	}
	keys := map[key]bool{}
	for _, d := range after {
		k := key{d.Round, d.Step, d.ChannelIndex, d.Track, d.Staff}
		if ids[d.ID] != 0 || keys[k] {
			h.broken("planned twice: %+v", d)
		}
		ids[d.ID], keys[k] = len(d.Attempts)+1, true
	}
	for _, d := range before {
		if ids[d.ID] < len(d.Attempts)+1 {
			h.broken("lost %+v", d)
		}
	}
}

func (h *history) checkIdempotent() {
	in := h.in
	in.NowMS = h.nowMS
	first := routing.Plan(in)
	for _, d := range append(first.Due, first.Cancel...) {
		i := slices.IndexFunc(in.Deliveries, func(x routing.Delivery) bool { return x.ID == d.ID })
		if in.Deliveries = slices.Clone(in.Deliveries); i < 0 {
			in.Deliveries = append(in.Deliveries, d)
		} else {
			in.Deliveries[i] = d
		}
	}
	in.Progress = first.Progress
	again := routing.Plan(in)
	if len(again.Due)+len(again.Cancel) > 0 {
		h.broken("planned again: due %+v, cancelled %+v", again.Due, again.Cancel)
	}
	if d := cmp.Diff(first.Progress, again.Progress); d != "" {
		h.broken("progress moved by itself: %s", d)
	}
	if again.NextMS != first.NextMS {
		h.broken("next look at %d, then at %d", first.NextMS, again.NextMS)
	}
}

// While a critical or major ticket is open and nothing mutes it, somebody was
// paged in this round, or is about to be, or there is nobody to page.
func (h *history) checkSomebodyIsPaged() {
	tk := h.in.Ticket
	life := tk.Fault.LifeSafety()
	if !life && tk.Severity != ticket.Critical && tk.Severity != ticket.Major {
		return
	}
	for _, m := range h.in.Mutes {
		if m.Mutes(tk, h.nowMS) {
			return
		}
	}
	if tk.State != ticket.Open || len(h.in.Plan.Staff) == 0 {
		return
	}
	h.plan()
	if h.nextMS == 0 {
		h.broken("an open ticket is never looked at again")
	}
	for _, d := range h.in.Deliveries {
		if d.Round == h.in.Progress.Round && (d.State == routing.Pending || d.State == routing.Accepted || d.State == routing.Sending) {
			return
		}
	}
	if reachable := slices.ContainsFunc(h.in.Plan.Staff, func(s duty.Staff) bool { return len(s.Channels) > 0 }); reachable && !h.laterPolicy() {
		h.broken("silence: %+v, reasons %v", h.in.Deliveries, h.reasons)
	}
}

// laterPolicy: a policy may put its first step off; that is somebody's wish.
func (h *history) laterPolicy() bool {
	return len(h.in.Policies) > 0 && !h.in.Ticket.Fault.LifeSafety() && h.nextMS > h.nowMS && h.nextMS < h.nowMS+301_000
}
