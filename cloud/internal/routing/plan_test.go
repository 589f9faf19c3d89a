package routing_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

func TestTheExampleOfTheContract(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.until(20 * time.Minute)
	w.want(
		"0s li/0 0 accepted",    // the vanguard member on duty
		"30s chen/0 0 accepted", // then the rest of the shift
		"1m0s zhao/0 1 accepted",
		"5m0s off/0 2 accepted",
	)
}

func TestWithoutAPolicyTheLadderIsBuiltIn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Critical)
	w.until(20 * time.Minute)
	w.want("0s li/0 0 accepted", "30s chen/0 0 accepted", "1m0s zhao/0 1 accepted", "3m0s boss/0 2 accepted", "5m0s desk/0 3 accepted")
}

func TestWithoutVanguardTheWholeShiftIsPagedTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.in.Plan.Staff[4].Vanguard = false
	w.until(59 * time.Second)
	w.want("0s chen/0 0 accepted", "0s li/0 0 accepted")
}

func TestAcceptanceStopsTheLadder(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.until(10 * time.Second)
	w.happen(ticket.Accept, "li", "")
	w.until(3 * time.Hour)
	w.want("0s li/0 0 accepted")
	if w.nextMS != 0 {
		t.Errorf("looks again at %d", w.nextMS)
	}
}

func TestNamedTracksAreStoppedEachByItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.in.Policies[0].Steps = []routing.Step{
		{To: "staff:li"},
		{To: "leader", After: time.Minute},
		{To: "desk", Track: "desk"},
		{To: "manager", After: 2 * time.Minute, Track: "desk"},
	}
	w.until(10 * time.Second)
	w.happen(ticket.Accept, "li", "")
	w.until(20 * time.Minute)
	w.want("0s li/0 0 accepted", "0s desk/0 desk 2 accepted", "2m0s boss/0 desk 3 accepted")
}

func TestAnEmptyStepIsSkippedAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.in.Plan.Rosters[0].SignOn = true // and nobody signed on
	w.until(20 * time.Minute)
	// The distance to the step after it stays.
	w.want("0s zhao/0 1 accepted", "4m0s off/0 2 accepted")
	if !w.why("nobody_found") {
		t.Error("no reason given")
	}
}

func TestWhereNobodyIsOnDutySomebodyIsPagedAllTheSame(t *testing.T) {
	t.Parallel()
	nobodyOnDuty := func() *world {
		w := newWorld(t, ticket.DoorForced, ticket.Major)
		w.in.Policies = example()
		w.in.Policies[0].Steps = w.in.Policies[0].Steps[:2]
		w.in.Plan.Rosters = nil
		return w
	}
	w := nobodyOnDuty()
	w.until(time.Minute)
	w.want("0s boss/0 900 accepted", "0s desk/0 900 accepted")

	w = nobodyOnDuty()
	for i := range w.in.Plan.Staff {
		w.in.Plan.Staff[i].Post = ""
	}
	w.in.Plan.Staff[1].Channels = nil
	w.until(time.Minute)
	w.want("0s boss/0 900 accepted", "0s desk/0 900 accepted", "0s fix/0 900 accepted",
		"0s li/0 900 accepted", "0s off/0 900 accepted", "0s zhao/0 900 accepted")

	w = nobodyOnDuty()
	w.in.Plan.Staff = nil
	w.until(time.Second)
	if len(w.story) != 0 || !w.why("nobody_in_estate") || w.nextMS != base+60_000 {
		t.Errorf("an estate without people: %v, next %d", w.story, w.nextMS-base)
	}
}

func TestAFailedChannelOpensTheNext(t *testing.T) {
	t.Parallel()
	for _, outcome := range []routing.DeliveryState{routing.Rejected, routing.Unknown} {
		w := newWorld(t, ticket.DoorForced, ticket.Major)
		w.in.Policies = example()
		w.in.Plan.Staff[4].Channels = []duty.Channel{{Kind: "webhook"}, {Kind: "webhook"}}
		w.answer = func(d routing.Delivery) routing.DeliveryState {
			if d.Staff == "li" && d.ChannelIndex == 0 {
				return outcome
			}
			return routing.Accepted
		}
		w.until(29 * time.Second)
		w.want("0s li/0 0 "+string(outcome), "0s li/1 0 accepted")
	}
}

// A provider is out: each step gives up after one quick retry, within seconds
// everybody was tried, and retries go on until the provider comes back.
func TestAnOutageOfAllChannels(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.answer = func(routing.Delivery) routing.DeliveryState {
		if w.nowMS < base+600_000 {
			return routing.Rejected
		}
		return routing.Accepted
	}
	w.until(15 * time.Minute)
	first := map[string]string{}
	got := map[string]bool{}
	for _, d := range w.in.Deliveries {
		if first[d.Staff] == "" {
			first[d.Staff] = (time.Duration(d.Attempts[0].AtMS-base) * time.Millisecond).String()
		}
		got[d.Staff] = got[d.Staff] || d.State == routing.Accepted
	}
	want := map[string]string{"li": "0s", "chen": "2s", "zhao": "4s", "off": "6s", "boss": "8s", "desk": "8s", "fix": "10s"}
	if d := cmp.Diff(want, first); d != "" {
		t.Errorf("first attempts: %s", d)
	}
	reached := 0
	for _, ok := range got {
		if ok {
			reached++
		}
	}
	if reached == 0 {
		t.Error("nobody was reached after the outage")
	}
}

func TestOneHiccupOfAProviderWakesNobodyElse(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.answer = func(d routing.Delivery) routing.DeliveryState {
		if len(d.Attempts) == 0 && d.Staff == "li" {
			return routing.Rejected
		}
		return routing.Accepted
	}
	w.until(29 * time.Second)
	w.want("0s li/0 0 rejected", "2s li/0 0 accepted")
}

// An open page proves little: the next channel follows if nobody accepts.
func TestAPageThatIsMerelyOpenIsFollowedByTheNextChannel(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.in.Plan.Staff[4].Channels = []duty.Channel{{Kind: "stream"}, {Kind: "webhook"}, {Kind: "webhook"}}
	w.answer = func(d routing.Delivery) routing.DeliveryState {
		if d.ChannelIndex == 1 {
			return routing.Rejected
		}
		return routing.Accepted
	}
	w.until(25 * time.Second)
	w.want("0s li/0 0 accepted", "20s li/1 0 rejected", "20s li/2 0 accepted")
}

func TestARateLimitOpensTheNextChannelAndIsNotSentTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.in.Plan.Staff[4].Channels = []duty.Channel{{Kind: "webhook"}, {Kind: "webhook"}}
	w.plan()
	limited := w.in.Deliveries[0]
	limited.Attempts = []routing.Attempt{{AtMS: w.nowMS, Outcome: "rate_limited"}}
	limited.DueMS += 10_000
	w.save(limited)
	w.until(20 * time.Second)
	w.want("0s li/1 0 accepted")
}

func TestNobodyAcceptsInTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.until(3 * time.Hour)
	if d := cmp.Diff([]string{
		"30m0s boss/0 1000 accepted", "30m0s zhao/0 1000 accepted",
		"1h0m0s boss/0 1001 accepted", "1h0m0s zhao/0 1001 accepted",
		"2h0m0s boss/0 1002 accepted", "2h0m0s zhao/0 1002 accepted",
	}, sortPairs(w.story[4:])); d != "" {
		t.Error(d)
	}
}

func TestAShorterDeadline(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.in.AcceptWithin = 90 * time.Second
	w.until(2 * time.Minute)
	w.want("0s li/0 0 accepted", "30s chen/0 0 accepted", "1m0s zhao/0 1 accepted",
		"1m30s zhao/0 1000 accepted", "1m30s boss/0 1000 accepted")
}

func sortPairs(s []string) []string {
	for i := 0; i+1 < len(s); i += 2 {
		if s[i] > s[i+1] {
			s[i], s[i+1] = s[i+1], s[i]
		}
	}
	return s
}

func TestTransferPagesTheNewAssigneeFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.until(5 * time.Second)
	w.happen(ticket.Accept, "li", "")
	w.until(10 * time.Minute)
	w.happen(ticket.Transfer, "li", "off")
	w.until(12*time.Minute + 10*time.Second)
	w.want("0s li/0 0 accepted", "10m0s off/0 800 accepted", "11m0s li/0 0 accepted", "11m30s chen/0 0 accepted", "12m0s zhao/0 1 accepted")
}

func TestAReopenedTicketIsPagedAfresh(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.until(time.Second)
	w.happen(ticket.Accept, "li", "")
	w.happen(ticket.Resolve, "li", "")
	w.until(5 * time.Minute)
	w.happen(ticket.Occur, "", "")
	w.until(6 * time.Minute)
	w.want("0s li/0 0 accepted", "5m0s li/0 0 accepted", "5m30s chen/0 0 accepted")
	if w.in.Deliveries[0].ID == w.in.Deliveries[1].ID {
		t.Error("two rounds share an idempotency key")
	}
}

func TestEscalateByAPerson(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.until(5 * time.Second)
	w.happen(ticket.Escalate, "li", "")
	w.until(6 * time.Second)
	w.want("0s li/0 0 accepted", "5s chen/0 0 accepted", "5s zhao/0 1 accepted")
	w.happen(ticket.Accept, "zhao", "")
	w.happen(ticket.Escalate, "zhao", "") // needs more, though it is his
	w.happen(ticket.Escalate, "zhao", "")
	w.until(time.Hour)
	if d := cmp.Diff([]string{"6s off/0 2 accepted", "6s boss/0 952 accepted"}, w.story[3:]); d != "" {
		t.Error(d)
	}
}

func TestMutes(t *testing.T) {
	t.Parallel()
	mute := routing.Mute{Estate: "garden", Device: "lift-1", FromMS: base - 1, ToMS: base + 600_000}
	w := newWorld(t, ticket.DoorForced, ticket.Critical)
	w.in.Policies = example()
	w.in.Mutes = []routing.Mute{mute}
	w.until(11 * time.Minute)
	w.want("10m0s li/0 0 accepted", "10m30s chen/0 0 accepted")

	for _, fault := range []ticket.Fault{ticket.Entrapment, ticket.Duress, ticket.Overtravel} {
		w := newWorld(t, fault, ticket.Warning)
		w.in.Mutes = []routing.Mute{mute}
		w.until(time.Second)
		if len(w.story) == 0 {
			t.Errorf("%s was muted", fault)
		}
	}
	tk := ticket.Ticket{Subject: ticket.Subject{Estate: "garden", Device: "lift-1", DeviceKind: "elevator", Rule: "r"}}
	for _, c := range []struct {
		mute routing.Mute
		want bool
	}{
		{routing.Mute{Estate: "garden", ToMS: 10}, false}, // names nothing
		{routing.Mute{Estate: "garden", Kind: "elevator", ToMS: 10}, true},
		{routing.Mute{Estate: "garden", Kind: "elevator", Rule: "other", ToMS: 10}, false},
		{routing.Mute{Estate: "lake", Kind: "elevator", ToMS: 10}, false},
		{routing.Mute{Estate: "garden", Kind: "elevator", ToMS: 5}, false},
	} {
		if got := c.mute.Mutes(tk, 5); got != c.want {
			t.Errorf("%+v: %v", c.mute, got)
		}
	}
}

// What was planned before the mute began is sent after it.
func TestAMuteInBetween(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.in.Policies = example()
	w.in.Plan.Staff[4].Channels = []duty.Channel{{Kind: "webhook"}, {Kind: "webhook"}}
	w.plan() // saved, not yet sent
	w.in.Mutes = []routing.Mute{{Estate: "garden", Rule: "r", FromMS: base, ToMS: base + 120_000}}
	w.until(4 * time.Minute)
	w.want("2m0s li/0 0 accepted", "2m0s chen/0 0 accepted", "2m30s zhao/0 1 accepted")
}

func TestWhatIsOnlyListed(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorHeld, ticket.Warning)
	w.in.Policies = example()
	w.until(time.Hour)
	w.want([]string(nil)...)
	w = newWorld(t, ticket.DoorHeld, ticket.Warning)
	w.in.Policies = example()
	w.in.Policies[0].Match = routing.Match{Fault: []ticket.Fault{ticket.DoorHeld}}
	w.until(time.Second)
	w.want("0s li/0 0 accepted")
	w = newWorld(t, ticket.DoorHeld, ticket.Minor)
	w.until(31 * time.Second)
	w.happen(ticket.Clear, "", "")
	w.until(time.Hour)
	w.want("0s li/0 0 accepted", "30s chen/0 0 accepted")
}

// A collector that was down, or whose clock jumped, does not fire the rest of
// the ladder at once, nor the step it fired before.
func TestTheLadderAfterADelayOrAClockJump(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{2 * time.Hour, 30 * 24 * time.Hour} {
		w := newWorld(t, ticket.DoorForced, ticket.Critical)
		w.until(45 * time.Second)
		was := w.nowMS
		w.nowMS += jump.Milliseconds()
		w.until(time.Duration(w.nowMS-base)*time.Millisecond + 125*time.Second)
		var got []string
		for _, d := range w.in.Deliveries {
			if d.DueMS > was {
				got = append(got, d.Staff+" "+(time.Duration(d.DueMS-was)*time.Millisecond-jump).String())
			}
		}
		want := []string{"zhao 0s", "boss 2m0s"}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", jump, d)
		}
	}
	w := newWorld(t, ticket.DoorForced, ticket.Critical)
	w.until(45 * time.Second)
	w.nowMS -= 30 * 24 * 3600_000 // set back: the next step is 30 s away, as after the last one
	back := w.nowMS
	w.plan()
	if w.nextMS != back+30_000 {
		t.Errorf("next look in %d ms", w.nextMS-back)
	}
}

func TestThePersonsClock(t *testing.T) {
	t.Parallel()
	w := newWorld(t, ticket.DoorForced, ticket.Major)
	w.log[0].AtMS -= 3600_000 // it reached us an hour late
	w.in.Policies = example()
	w.until(40 * time.Second)
	w.happen(ticket.Accept, "li", "")
	w.until(4 * time.Minute)
	w.happen(ticket.Arrive, "li", "")
	got, ok := routing.ResponseOf(w.in.Ticket, w.in.Deliveries, "li")
	if d := cmp.Diff(routing.Response{Staff: "li", PagedMS: base, AcceptMS: 40_000, ArriveMS: 240_000}, got); !ok || d != "" {
		t.Error(d)
	}
	if _, ok := routing.ResponseOf(w.in.Ticket, w.in.Deliveries, "boss"); ok {
		t.Error("judged somebody who was never paged")
	}
}

func TestValidate(t *testing.T) {
	t.Parallel()
	var got []string
	known := func(id string) bool { return id == "li" }
	add := func(ps []duty.Problem) {
		for _, p := range ps {
			got = append(got, p.Path+": "+p.Message)
		}
	}
	add(routing.Policy{
		Match: routing.Match{Severity: []ticket.Severity{"urgent"}},
		Steps: []routing.Step{{To: "duty"}, {To: "staff:li"}, {To: "staff:ghost"}, {To: "li", After: -1, Track: "entrapment/x"}},
	}.Validate(known))
	add(routing.Policy{}.Validate(known))
	add(routing.Mute{}.Validate())
	add(routing.Mute{Rule: "r", Reason: "drill", ToMS: 1}.Validate())
	want := []string{
		`match.severity[0]: unknown severity "urgent"`,
		`steps[2].to: no staff "ghost" in this estate`,
		`steps[3].to: nobody is called "li"`,
		`steps[3].after: it lies before the ticket`,
		`steps[3].track: the name is taken by the built-in tracks`,
		`steps: no step is given`,
		`device: nothing is named`,
		`reason: no reason is given`,
		`to: it ends before it begins`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
