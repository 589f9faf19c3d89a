package routing_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/title"
)

// The invariants hold for any ladder, any people, any outcome of any channel
// and any order of what people do.
func TestInvariants(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := randomWorld(t, rt)
		at := time.Duration(0)
		for range rapid.IntRange(1, 8).Draw(rt, "moves") {
			at += time.Duration(rapid.Int64Range(0, 400_000).Draw(rt, "wait")) * time.Millisecond
			before := slices.Clone(w.in.Deliveries)
			w.until(at)
			checkGrowth(rt, before, w.in.Deliveries)
			checkIdempotent(rt, w)
			checkSomebodyIsPaged(rt, w)
			if rapid.IntRange(0, 2).Draw(rt, "act") == 0 {
				k := rapid.SampledFrom([]ticket.Kind{ticket.Accept, ticket.Arrive, ticket.Resolve, ticket.Reopen, ticket.Transfer, ticket.Escalate, ticket.Clear, ticket.Occur}).Draw(rt, "kind")
				w.happen(k, person(rt, w, "by"), person(rt, w, "to"))
			}
		}
		for _, r := range w.reasons {
			if !slices.Contains(title.PagingCodes(), r.Code) {
				rt.Fatalf("reason %s has no words", r)
			}
		}
	})
}

func person(rt *rapid.T, w *world, name string) string {
	i := rapid.IntRange(0, len(w.in.Plan.Staff)).Draw(rt, name)
	if i == len(w.in.Plan.Staff) {
		return ""
	}
	return w.in.Plan.Staff[i].ID
}

func randomWorld(t *testing.T, rt *rapid.T) *world {
	fault := rapid.SampledFrom([]ticket.Fault{ticket.DoorForced, ticket.Entrapment, ticket.Duress}).Draw(rt, "fault")
	w := newWorld(t, fault, rapid.SampledFrom([]ticket.Severity{ticket.Critical, ticket.Major, ticket.Minor, ticket.Warning}).Draw(rt, "severity"))
	var staff []duty.Staff
	for _, s := range w.in.Plan.Staff {
		if rapid.IntRange(0, 3).Draw(rt, "leaves") == 0 {
			continue
		}
		kinds := rapid.SliceOfN(rapid.SampledFrom([]string{"webhook", "stream", "mqtt"}), 0, 3).Draw(rt, "channels")
		s.Channels = nil
		for _, k := range kinds {
			s.Channels = append(s.Channels, duty.Channel{Kind: k})
		}
		staff = append(staff, s)
	}
	w.in.Plan.Staff = staff
	if rapid.Bool().Draw(rt, "sign on") {
		w.in.Plan.Rosters[0].SignOn = true
	}
	if rapid.Bool().Draw(rt, "policy") {
		p := routing.Policy{ID: "p", Estate: "garden"}
		for range rapid.IntRange(0, 4).Draw(rt, "steps") {
			p.Steps = append(p.Steps, routing.Step{
				To:    rapid.SampledFrom([]string{"duty", "leader", "manager", "desk", "maintainer", "staff:off", "staff:ghost"}).Draw(rt, "to"),
				After: time.Duration(rapid.IntRange(0, 300).Draw(rt, "after")) * time.Second,
				Track: rapid.SampledFrom([]string{"", "", "b"}).Draw(rt, "track"),
			})
		}
		w.in.Policies = []routing.Policy{p}
	}
	if rapid.IntRange(0, 3).Draw(rt, "muted") == 0 {
		from := base + rapid.Int64Range(-1000, 600_000).Draw(rt, "mute from")
		w.in.Mutes = []routing.Mute{{Estate: "garden", Rule: "r", FromMS: from, ToMS: from + rapid.Int64Range(1, 600_000).Draw(rt, "mute for")}}
	}
	bad := rapid.IntRange(0, 3).Draw(rt, "bad")
	outcomes := []routing.DeliveryState{routing.Accepted, routing.Accepted, routing.Rejected, routing.Unknown}
	n := rapid.Uint32().Draw(rt, "seed")
	w.answer = func(routing.Delivery) routing.DeliveryState {
		n = n*1664525 + 1013904223
		return outcomes[int(n>>16)%(1+bad)]
	}
	w.tookMS = rapid.Int64Range(0, 10_000).Draw(rt, "took")
	return w
}

// Nothing that was planned disappears or loses its attempts.
func checkGrowth(rt *rapid.T, before, after []routing.Delivery) {
	ids := map[string]int{}
	type key struct {
		round, step, channel int
		track, staff         string
	}
	keys := map[key]bool{}
	for _, d := range after {
		k := key{d.Round, d.Step, d.ChannelIndex, d.Track, d.Staff}
		if ids[d.ID] != 0 || keys[k] {
			rt.Fatalf("planned twice: %+v", d)
		}
		ids[d.ID], keys[k] = len(d.Attempts)+1, true
	}
	for _, d := range before {
		if ids[d.ID] < len(d.Attempts)+1 {
			rt.Fatalf("lost %+v", d)
		}
	}
}

func checkIdempotent(rt *rapid.T, w *world) {
	in := w.in
	in.NowMS = w.nowMS
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
		rt.Fatalf("planned again: due %+v, cancelled %+v", again.Due, again.Cancel)
	}
	if d := cmp.Diff(first.Progress, again.Progress); d != "" {
		rt.Fatalf("progress moved by itself: %s", d)
	}
	if again.NextMS != first.NextMS {
		rt.Fatalf("next look at %d, then at %d", first.NextMS, again.NextMS)
	}
}

// While a critical or major ticket is open and nothing mutes it, somebody was
// paged in this round, or is about to be, or there is nobody to page.
func checkSomebodyIsPaged(rt *rapid.T, w *world) {
	tk := w.in.Ticket
	life := tk.Fault.LifeSafety()
	if !life && tk.Severity != ticket.Critical && tk.Severity != ticket.Major {
		return
	}
	for _, m := range w.in.Mutes {
		if m.Mutes(tk, w.nowMS) {
			return
		}
	}
	if tk.State != ticket.Open || len(w.in.Plan.Staff) == 0 {
		return
	}
	w.plan()
	if w.nextMS == 0 {
		rt.Fatal("an open ticket is never looked at again")
	}
	for _, d := range w.in.Deliveries {
		if d.Round == w.in.Progress.Round && (d.State == routing.Pending || d.State == routing.Accepted || d.State == routing.Sending) {
			return
		}
	}
	if reachable := slices.ContainsFunc(w.in.Plan.Staff, func(s duty.Staff) bool { return len(s.Channels) > 0 }); reachable && !laterPolicy(w) {
		rt.Fatalf("silence: %+v, reasons %v", w.in.Deliveries, w.reasons)
	}
}

// laterPolicy: a policy may put its first step off; that is somebody's wish.
func laterPolicy(w *world) bool {
	return len(w.in.Policies) > 0 && !w.in.Ticket.Fault.LifeSafety() && w.nextMS > w.nowMS && w.nextMS < w.nowMS+301_000
}
