package dispatch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/dispatch"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/notify"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

var base = time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)

// stage is one collector in virtual time.
type stage struct {
	t     *testing.T
	store *memory
	now   time.Time
	jobs  map[string]agenda.Job
	// answer is the provider; it keeps the pages it accepted by id.
	answer func(ctx context.Context, m notify.Message) notify.Outcome
	story  []string
	pages  map[string]int
	paged  []time.Duration
	counts map[string]int
}

func (s *stage) Now() time.Time { return s.now }

// Send plays the provider.
func (s *stage) Send(ctx context.Context, m notify.Message) notify.Outcome {
	if _, bounded := ctx.Deadline(); !bounded {
		s.t.Error("sent without a deadline")
	}
	if string(m.Ticket) != `{"id":"t1"}` || m.URL != "https://x/a/"+m.ID || m.Channel.URL == "" {
		s.t.Errorf("sent %+v", m)
	}
	out := notify.Outcome{State: routing.Accepted}
	if s.answer != nil {
		out = s.answer(ctx, m)
	}
	s.story = append(s.story, fmt.Sprintf("%s %s %s", s.now.Sub(base), m.Channel.URL, out.State))
	if out.State == routing.Accepted {
		s.pages[m.ID]++
	}
	return out
}

func (s *stage) Paged(took time.Duration) { s.paged = append(s.paged, took) }
func (s *stage) Delivered(channel string, outcome routing.DeliveryState) {
	s.counts[channel+" "+string(outcome)]++
}

func newStage(t *testing.T) *stage {
	s := &stage{t: t, now: base, pages: map[string]int{}, counts: map[string]int{}}
	hook := func(urls ...string) []duty.Channel {
		var cs []duty.Channel
		for _, u := range urls {
			cs = append(cs, duty.Channel{Kind: "webhook", URL: u})
		}
		return cs
	}
	s.store = &memory{commits: -1, disk: disk{
		log: []ticket.Transition{{
			ID: "raise", Ticket: "t1", Kind: ticket.Raise, AtMS: base.Add(-time.Second).UnixMilli(),
			Subject: &ticket.Subject{Estate: "garden", Fault: ticket.DoorForced, Severity: ticket.Major},
		}},
		plan: duty.Plan{
			Staff: []duty.Staff{{ID: "li", Channels: hook("li-1", "li-2")}, {ID: "wang", Channels: hook("wang")}},
			Rosters: []duty.Roster{{ID: "r", Shifts: []duty.Shift{{
				From: "00:00", To: "24:00", Days: []string{"mon"}, Staff: []string{"li"}, Leader: "wang",
			}}}},
		},
		policies:   []routing.Policy{{ID: "p", Estate: "garden", Steps: []routing.Step{{To: "duty"}, {To: "leader", After: time.Minute}}}},
		deliveries: map[string]routing.Delivery{}, progress: map[ticket.ID]routing.Progress{}, items: map[string]item{},
	}}
	s.boot()
	s.look()
	return s
}

// boot starts a collector over what the disk holds.
func (s *stage) boot() {
	s.jobs = dispatch.New(dispatch.Options{
		Store: s.store, Clock: s, Notifiers: map[string]notify.Notifier{"webhook": s}, Meter: s,
		Render: func(_ context.Context, t ticket.Ticket) (json.RawMessage, error) {
			return json.RawMessage(`{"id":"` + string(t.ID) + `"}`), nil
		},
		AckURL: func(_ context.Context, d routing.Delivery) (string, error) { return "https://x/a/" + d.ID, nil },
	}).Jobs()
}

// look does what a change of the ticket does: it asks for routing now.
func (s *stage) look() {
	tk, _ := ticket.Fold(s.store.disk.log)
	it := dispatch.RouteItem(tk, s.now.UnixMilli())
	s.store.disk.items[it.Key] = item{Work: agenda.Work{Item: it}}
}

// accept is a person pressing 接单.
func (s *stage) accept(by string) {
	s.store.disk.log = append(s.store.disk.log, ticket.Transition{
		ID: "accept", Ticket: "t1", Kind: ticket.Accept, AtMS: s.now.UnixMilli(),
		Stamp: ticket.Stamp{WallMS: s.now.UnixMilli()}, By: ticket.Actor{Kind: ticket.ByStaff, ID: by},
	})
	s.look()
}

// until works on everything that is due before base+d.
func (s *stage) until(d time.Duration) error {
	end := base.Add(d)
	for range 1000 {
		w, due := s.store.claim(s.now.UnixMilli())
		if !due {
			next, ok := s.store.next()
			if !ok || next >= end.UnixMilli() {
				s.now = end
				return nil
			}
			s.now = time.UnixMilli(next)
			continue
		}
		if err := s.jobs[w.Kind](s.t.Context(), w); err != nil {
			return err
		}
	}
	s.t.Fatal("it never rests")
	return nil
}

func (s *stage) play(d time.Duration) {
	s.t.Helper()
	if err := s.until(d); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stage) want(lines ...string) {
	s.t.Helper()
	if d := cmp.Diff(lines, s.story); d != "" {
		s.t.Error(d)
	}
}

func TestNobodyAcceptsSoTheNextStepIsPagedOnTime(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.play(59 * time.Second)
	s.want("0s li-1 accepted")
	s.play(10 * time.Minute)
	s.want("0s li-1 accepted", "1m0s wang accepted")
	if d := cmp.Diff([]time.Duration{time.Second}, s.paged); d != "" {
		t.Errorf("from the sensor to the first page: %s", d)
	}
	if s.counts["webhook accepted"] != 2 {
		t.Errorf("counted %v", s.counts)
	}
}

func TestAcceptanceEndsIt(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.play(30 * time.Second)
	s.accept("li")
	s.play(24 * time.Hour)
	s.want("0s li-1 accepted")
	if len(s.store.disk.items) != 0 {
		t.Errorf("left on the agenda: %v", s.store.disk.items)
	}
}

func TestUnknownOpensTheNextChannelAtOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.answer = func(_ context.Context, m notify.Message) notify.Outcome {
		if m.Channel.URL == "li-1" {
			s.now = s.now.Add(10 * time.Second) // the provider never answered
			return notify.Outcome{State: routing.Unknown, Detail: "no answer in time"}
		}
		return notify.Outcome{State: routing.Accepted}
	}
	s.play(30 * time.Second)
	s.want("10s li-1 unknown", "10s li-2 accepted")
	for _, d := range s.store.disk.deliveries {
		if d.ChannelIndex == 0 {
			want := []routing.Attempt{{AtMS: base.UnixMilli(), TookMS: 10_000, Outcome: routing.Unknown, Detail: "no answer in time"}}
			if diff := cmp.Diff(want, d.Attempts); diff != "" {
				t.Error(diff)
			}
		}
	}
}

func TestARateLimitOpensTheNextChannelAndComesBackOnlyIfNeeded(t *testing.T) {
	t.Parallel()
	for _, second := range []routing.DeliveryState{routing.Accepted, routing.Rejected} {
		s := newStage(t)
		n := 0
		s.answer = func(_ context.Context, m notify.Message) notify.Outcome {
			switch {
			case m.Channel.URL == "li-2":
				return notify.Outcome{State: second}
			case n == 0:
				n++
				return notify.Outcome{State: notify.RateLimited, RetryAfter: 40 * time.Second}
			}
			return notify.Outcome{State: routing.Accepted}
		}
		s.play(45 * time.Second)
		got := s.story[:2]
		if d := cmp.Diff([]string{"0s li-1 rate_limited", "0s li-2 " + string(second)}, got); d != "" {
			t.Error(d)
		}
		last := s.story[len(s.story)-1]
		if came := last == "40s li-1 accepted"; came != (second == routing.Rejected) {
			t.Errorf("second channel %s: %v", second, s.story)
		}
	}
}

// The power goes off at every possible commit. Whatever was lost, afterwards
// everybody is paged as planned, and nobody under two ids.
func TestPowerCutAtEveryCommit(t *testing.T) {
	t.Parallel()
	whole := newStage(t)
	whole.play(10 * time.Minute)
	for cut := range 20 {
		s := newStage(t)
		s.store.commits = cut
		err := s.until(10 * time.Minute)
		if err != nil && !errors.Is(err, errPower) {
			t.Fatal(err)
		}
		s.store.commits = -1
		s.boot()
		s.play(10 * time.Minute)
		if d := cmp.Diff(keys(whole.pages), keys(s.pages)); d != "" {
			t.Errorf("cut after %d commits: other pages: %s", cut, d)
		}
		repeats := 0
		for _, n := range s.pages {
			repeats += n - 1
		}
		if repeats > 1 {
			t.Errorf("cut after %d commits: %d pages were repeated", cut, repeats)
		}
		for _, d := range s.store.disk.deliveries {
			if d.State != routing.Accepted {
				t.Errorf("cut after %d commits: %s is %s", cut, d.Staff, d.State)
			}
		}
	}
}

func keys(m map[string]int) map[string]bool {
	out := map[string]bool{}
	for k := range m {
		out[k] = true
	}
	return out
}

func TestACrashBetweenSaveAndSendIsSentAgainUnderTheSameID(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.answer = func(context.Context, notify.Message) notify.Outcome {
		s.store.commits = 0 // the page is out, its outcome never written
		return notify.Outcome{State: routing.Accepted}
	}
	if err := s.until(time.Second); !errors.Is(err, errPower) {
		t.Fatalf("got %v", err)
	}
	s.answer, s.store.commits = nil, -1
	s.boot()
	s.play(30 * time.Second)
	s.want("0s li-1 accepted", "3s li-1 accepted") // as soon as the lease ran out
	if len(s.pages) != 1 {
		t.Errorf("two ids for one page: %v", s.pages)
	}
	for _, d := range s.store.disk.deliveries {
		if len(d.Attempts) != 2 || d.Attempts[0].Outcome != routing.Unknown || d.SentMS != base.UnixMilli() {
			t.Errorf("got %+v", d)
		}
	}
}

// A collector that was paused while sending writes nothing once another has
// taken over.
func TestAPausedHolderWritesNothing(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.answer = func(context.Context, notify.Message) notify.Outcome {
		s.answer = nil
		s.now = s.now.Add(4 * time.Second) // paused past its lease
		if err := s.until(s.now.Sub(base) + time.Millisecond); err != nil {
			t.Fatal(err)
		}
		return notify.Outcome{State: routing.Rejected, Detail: "late"}
	}
	if err := s.until(time.Second); !errors.Is(err, agenda.ErrLeaseLost) {
		t.Fatalf("got %v", err)
	}
	for _, d := range s.store.disk.deliveries {
		if d.State != routing.Accepted {
			t.Errorf("the late holder wrote %+v", d)
		}
	}
}

// A stop in the middle of a send is no answer: the next collector asks again,
// and no other channel opens.
func TestAStopWhileSendingDecidesNothing(t *testing.T) {
	t.Parallel()
	for _, outcome := range []routing.DeliveryState{routing.Unknown, routing.Accepted} {
		s := newStage(t)
		ctx, stop := context.WithCancel(t.Context())
		s.answer = func(context.Context, notify.Message) notify.Outcome {
			stop()
			return notify.Outcome{State: outcome}
		}
		w, _ := s.store.claim(s.now.UnixMilli())
		if err := s.jobs[w.Kind](ctx, w); err != nil {
			t.Fatal(err)
		}
		w, _ = s.store.claim(s.now.UnixMilli())
		err := s.jobs[w.Kind](ctx, w)
		want := routing.Sending
		if outcome == routing.Accepted {
			want = routing.Accepted
		}
		if (err == nil) != (outcome == routing.Accepted) || len(s.store.disk.deliveries) != 1 {
			t.Errorf("%s: %v", outcome, err)
		}
		for _, d := range s.store.disk.deliveries {
			if d.State != want {
				t.Errorf("%s: left as %s", outcome, d.State)
			}
		}
	}
}

func TestSomebodyWhoLostTheChannel(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	w, _ := s.store.claim(s.now.UnixMilli())
	if err := s.jobs[w.Kind](t.Context(), w); err != nil {
		t.Fatal(err)
	}
	s.store.disk.plan.Staff[0].Channels = nil // between planning and sending
	s.play(3 * time.Second)
	s.want("2s wang accepted") // nobody in the first step could be reached
}
