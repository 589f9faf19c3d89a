package flow_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDoneMeansOnDisk(t *testing.T) {
	t.Parallel()
	d := newDisk()
	d.hold = make(chan struct{})
	e := start(t, d, nil)
	done := e.put(sample("motor_temp", 90))
	<-d.entered
	select {
	case err := <-done:
		t.Fatalf("acknowledged before the disk had it: %v", err)
	default:
	}
	d.hold <- struct{}{}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if got := d.values(); len(got) != 1 || got[0].Value != 90 {
		t.Errorf("on disk: %+v", got)
	}
	// The ticket went with it, in the same commit.
	if d.asked() != 1 {
		t.Errorf("%d commits", d.asked())
	}
	e.want("raise ")
	d.hold = nil
}

func TestATicketSaysWhatPeopleNeed(t *testing.T) {
	t.Parallel()
	e := start(t, newDisk(), nil)
	e.say(sample("motor_temp", 90))
	got := e.flow.Open()[0]
	want := ticket.Subject{
		Estate: "garden", Edge: "g1", Device: "lift-1", DeviceKind: "elevator", Location: "3号楼1单元",
		Rule: "motor-hot", Metric: "motor_temp", Fault: ticket.Overheat, Severity: ticket.Major,
		Title: ticket.Title{Code: "overheat", Params: map[string]string{
			"metric": "motor_temp", "value": "90", "limit": "85", "for": "0s", "reason": "above",
		}},
	}
	if diff := cmp.Diff(want, got.Subject); diff != "" {
		t.Error(diff)
	}
	if len(got.Evidence) != 1 || got.RaisedMS != epoch || got.Log[0].Origin.Boot != "b1" {
		t.Errorf("got %+v", got)
	}
}

// What arrives while a commit runs is the next commit, in order.
func TestCommitsAreGroups(t *testing.T) {
	t.Parallel()
	d := newDisk()
	d.hold = make(chan struct{})
	e := start(t, d, nil)
	first := e.put(sample("floor", 0))
	<-d.entered
	const n = 200
	var order []int
	last := make(chan error, 1)
	for i := 1; i <= n; i++ {
		b := driver.Batch{Device: "lift-1", Samples: e.stamp([]telemetry.Sample{sample("floor", float64(i))})}
		b.Done = func(err error) {
			if order = append(order, i); i == n {
				last <- err
			}
		}
		if err := e.flow.Put(context.Background(), b); err != nil {
			t.Fatal(err)
		}
	}
	e.clock.BlockUntil(1)
	close(d.hold)
	if err := <-first; err != nil {
		t.Fatal(err)
	}
	if err := <-last; err != nil {
		t.Fatal(err)
	}
	for i, got := range order {
		if got != i+1 {
			t.Fatalf("Done in the order %v", order)
		}
	}
	for i, s := range d.values() {
		if s.Value != float64(i) {
			t.Fatalf("sample %d is %v", i, s.Value)
		}
	}
	if got := d.asked(); got > 10 {
		t.Errorf("%d commits for %d messages", got, n)
	}
	if e.counts.of("modbus/good") != n+1 {
		t.Errorf("counted %d", e.counts.of("modbus/good"))
	}
}

// The alarm log stays a prefix of what happened: what a failed commit held is
// recorded before all else, and nothing of it was acknowledged.
func TestAFailedCommitAcknowledgesNothingAndLosesNoTicket(t *testing.T) {
	t.Parallel()
	for _, kept := range []bool{false, true} {
		d := newDisk()
		d.fails = func(n int) (bool, bool) { return n <= 2, kept }
		e := start(t, d, nil)
		for i, v := range []float64{90, 20} {
			if err := <-e.put(sample("motor_temp", v)); !errors.Is(err, errDisk) {
				t.Fatalf("message %d: %v", i, err)
			}
			e.clock.Advance(100 * time.Millisecond)
		}
		if n := len(e.flow.Open()); n != 1 {
			t.Errorf("%d tickets on the page", n)
		}
		e.say(sample("floor", 1))
		want := "raise clear "
		if kept {
			want = "raise " + want + want // written again, which does no harm
		}
		e.want(want)
		if n := len(d.values()); n != 1 {
			t.Errorf("%d samples on disk", n)
		}
		again := start(t, d, nil)
		if diff := cmp.Diff(e.flow.Open(), again.flow.Open()); diff != "" {
			t.Error(diff)
		}
	}
}

// Nobody needs to speak for a ticket to reach the disk in the end.
func TestWhatIsOwedIsTriedAgain(t *testing.T) {
	t.Parallel()
	d := newDisk()
	d.fails = func(n int) (bool, bool) { return n <= 3, false }
	e := start(t, d, nil)
	if err := <-e.put(sample("motor_temp", 90)); err == nil {
		t.Fatal("acknowledged")
	}
	<-d.entered
	for range 3 {
		e.clock.BlockUntil(2)
		e.clock.Advance(time.Second)
		<-d.entered
	}
	e.settle()
	e.want("raise ")
}

func TestARestartKeepsTheTicketAndItsEnd(t *testing.T) {
	t.Parallel()
	d := newDisk()
	e := start(t, d, nil)
	e.say(sample("motor_temp", 90))
	before := e.flow.Open()
	_ = e.stop()
	d.alarm = d.alarm[:1] // the power was cut: no checkpoint

	e = start(t, d, nil)
	if diff := cmp.Diff(before, e.flow.Open()); diff != "" {
		t.Fatal(diff)
	}
	e.say(sample("motor_temp", 91)) // the same episode
	e.want("raise ")
	e.say(sample("motor_temp", 40))
	e.want("raise clear ")
	_ = e.stop()

	e = start(t, d, nil) // from the checkpoint of the clean stop
	if got := e.flow.Open(); len(got) != 1 || got[0].Condition != ticket.Cleared {
		t.Errorf("got %+v", got)
	}
}

func TestAConditionWithoutItsRuleEnds(t *testing.T) {
	t.Parallel()
	d := newDisk()
	e := start(t, d, nil)
	e.say(sample("motor_temp", 90))
	_ = e.stop()
	other := hot()
	other.ID = "renamed"
	e = start(t, d, nil, other)
	e.settle()
	e.want("raise [checkpoint] clear ")
	if got := d.alarm[2].Transitions[0].Reason; got != "rule_removed" {
		t.Errorf("reason %q", got)
	}
}

func TestHoldTimesEndByTheClock(t *testing.T) {
	t.Parallel()
	e := start(t, newDisk(), nil, hold(5*time.Second))
	e.say(sample("motor_temp", 90))
	e.pass(4 * time.Second)
	e.want("")
	e.pass(2 * time.Second)
	e.want("raise ")
	if got := e.flow.Open()[0].RaisedMS; got != epoch+5000 {
		t.Errorf("raised at +%d", got-epoch)
	}
	if e.counts.of("found/motor-hot") != 1 {
		t.Error("not counted")
	}
}

func silent() device.Rule {
	return device.Rule{ID: "silent", Detector: device.Stale, After: 10 * time.Second, Severity: ticket.Major, Fault: ticket.DeviceSilent}
}

func TestAWallClockThatJumpsSilencesNobody(t *testing.T) {
	t.Parallel()
	e := start(t, newDisk(), nil, silent())
	e.say(sample("floor", 1))
	e.clock.Jump(time.UnixMilli(epoch).Add(30 * 24 * time.Hour))
	e.pass(3 * time.Second)
	e.want("")
	e.clock.Jump(time.UnixMilli(epoch).Add(-30 * 24 * time.Hour))
	e.pass(3 * time.Second)
	e.say(sample("floor", 2))
	if got := e.disk.values()[1]; got.Marks != 0 {
		t.Errorf("a value of the present is marked %b", got.Marks)
	}
	e.pass(9 * time.Second)
	e.want("")
	e.pass(2 * time.Second)
	e.want("raise ")
}

// While the disk stands still nobody is heard; that is not their fault.
func TestADiskThatStallsSilencesNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newDisk()
		d.hold = make(chan struct{})
		e := start(t, d, func(o *flow.Options) { o.Queue = 1 }, silent())
		for i := range 3 { // one is recorded, one waits for that, with the third the judge waits
			e.put(sample("floor", float64(i)))
			synctest.Wait()
		}
		e.clock.Advance(time.Minute)
		close(d.hold)
		synctest.Wait()
		e.want("")
		for range 9 {
			e.clock.Advance(time.Second)
			synctest.Wait()
		}
		e.want("")
		e.clock.Advance(time.Second)
		synctest.Wait()
		e.want("raise ")
	})
}

func TestCheckpointsShortenTheNextStart(t *testing.T) {
	t.Parallel()
	e := start(t, newDisk(), nil)
	e.pass(11 * time.Minute) // nothing happened, nothing is written
	e.want("")
	e.say(sample("motor_temp", 90))
	e.pass(time.Second)
	e.want("raise [checkpoint] ")
	e.say(sample("motor_temp", 20))
	e.pass(9 * time.Minute)
	e.want("raise [checkpoint] clear ")
	e.pass(2 * time.Minute)
	e.want("raise [checkpoint] clear [checkpoint] ")

	f, err := flow.New(options(newDisk(), e.clock, e.counts, []device.Rule{hot()}))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Recall(e.disk.alarm[3]); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e.flow.Open(), f.Open()); diff != "" {
		t.Error(diff)
	}
	damaged := e.disk.alarm[3]
	damaged.Checkpoint = []byte("x")
	if err := f.Recall(damaged); err == nil {
		t.Error("a damaged checkpoint was taken")
	}
}

func TestManyTransitionsMakeACheckpoint(t *testing.T) {
	t.Parallel()
	e := start(t, newDisk(), nil, device.Rule{ID: "forced", Event: "forced", Detector: device.OnEvent, After: time.Second, Severity: ticket.Critical, Fault: ticket.Duress})
	for i := range 260 {
		ev := telemetry.Event{Device: "lift-1", Kind: "elevator", Name: "forced", AtMS: epoch + int64(i)}
		if err := <-e.batch(driver.Batch{Device: "lift-1", Events: []telemetry.Event{ev}}); err != nil {
			t.Fatal(err)
		}
		e.pass(2 * time.Second)
	}
	checkpoints := 0
	for _, r := range e.disk.alarm {
		if r.Checkpoint != nil {
			checkpoints++
		}
	}
	if checkpoints != 1 {
		t.Errorf("%d checkpoints", checkpoints)
	}
}

func remote(k ticket.Kind, id ticket.ID) ticket.Transition {
	return ticket.Transition{
		ID: fmt.Sprintf("%s-%s", k, id), Ticket: id, Kind: k, AtMS: epoch + 1, By: ticket.Actor{Kind: ticket.ByStaff, ID: "li-wei"},
		Stamp: ticket.Stamp{WallMS: epoch + 60_000, Origin: "cloud"},
	}
}

func TestWhatPeopleDidInTheCloudIsKeptHere(t *testing.T) {
	t.Parallel()
	d := newDisk()
	e := start(t, d, nil)
	e.say(sample("motor_temp", 90))
	id := e.flow.Open()[0].ID
	for range 2 { // delivered twice, and with something that is not ours
		if err := e.flow.Remote(context.Background(), []ticket.Transition{remote(ticket.Resolve, id), remote(ticket.Accept, "other")}); err != nil {
			t.Fatal(err)
		}
	}
	e.say(sample("motor_temp", 20))
	e.want("raise [resolve] clear ")
	if len(e.flow.Open()) != 0 {
		t.Error("a resolved ticket is still open")
	}
	if again := start(t, d, nil); len(again.flow.Open()) != 0 {
		t.Error("it is open again after a restart")
	}
}

func TestRemoteIsToldWhenItIsNotKept(t *testing.T) {
	t.Parallel()
	d := newDisk()
	d.fails = func(n int) (bool, bool) { return n == 2, false }
	e := start(t, d, nil)
	e.say(sample("motor_temp", 90))
	x := []ticket.Transition{remote(ticket.Resolve, e.flow.Open()[0].ID)}
	if err := e.flow.Remote(context.Background(), x); !errors.Is(err, errDisk) {
		t.Fatalf("got %v", err)
	}
	// Sent again, it is known already; but the answer waits for the disk.
	if err := e.flow.Remote(context.Background(), x); err != nil {
		t.Fatal(err)
	}
	e.want("raise [resolve] ")
}

func TestMaintenanceIsSeenInTheSameMessage(t *testing.T) {
	t.Parallel()
	e := start(t, newDisk(), nil)
	e.say(sample("motor_temp", 90), sample("inspection", 1))
	if got := e.flow.Open()[0]; got.Severity != ticket.Warning {
		t.Errorf("severity %s", got.Severity)
	}
	e.clock.Advance(time.Second)
	e.say(sample("inspection", 0))
	e.want("raise resolve clear raise ")
	if got := e.flow.Open(); len(got) != 1 || got[0].Severity != ticket.Major {
		t.Errorf("got %+v", got)
	}
}

func TestWordsAreLatestOnly(t *testing.T) {
	t.Parallel()
	e := start(t, newDisk(), nil)
	word := sample("mode", 0)
	word.Text = "auto"
	bad := sample("floor", 0)
	bad.Quality, bad.Reason = telemetry.Bad, "timeout"
	e.say(word)
	e.say(bad, sample("motor_temp", 20))
	if got := e.disk.values(); len(got) != 2 || got[0].Reason != "timeout" {
		t.Errorf("on disk: %+v", got)
	}
	if e.disk.asked() != 1 {
		t.Error("a commit of nothing")
	}
	if n := e.counts.of("dropped/text"); n != 1 || e.counts.of("modbus/bad") != 1 {
		t.Errorf("%d words counted", n)
	}
	var names []string
	for _, s := range e.flow.Latest("lift-1") {
		names = append(names, s.Key.Metric+s.Text)
	}
	if diff := cmp.Diff([]string{"floor", "modeauto", "motor_temp"}, names); diff != "" {
		t.Error(diff)
	}
	if len(e.flow.Latest("nobody")) != 0 {
		t.Error("values of nobody")
	}
}

// The fields that must stand under one name.
func TestReachabilityIsNoSignOfLife(t *testing.T) {
	t.Parallel()
	e := start(t, newDisk(), nil, silent())
	for range 11 {
		e.say(sample(driver.Online, 1))
		e.pass(time.Second)
	}
	e.want("raise ")
}

func TestNewRefusesWhatItCannotJudge(t *testing.T) {
	t.Parallel()
	o := options(newDisk(), nil, nil, []device.Rule{{ID: "odd", Detector: "anomaly", Metric: "*"}})
	if _, err := flow.New(o); err == nil {
		t.Error("took a rule that nobody can judge")
	}
}
