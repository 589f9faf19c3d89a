package triage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/edge/internal/triage"
	"github.com/linshao/linshao/protocol/ticket"
)

func TestOneConditionOneTicket(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat).at(60).ends(ticket.Overheat).at(100).begins(ticket.Overheat)
	d.want("raise clear@1m0s occur@1m40s")
	got := d.only()
	if got.Occurrences != 2 || got.Condition != ticket.Active || got.RaisedMS != epoch {
		t.Errorf("got %+v", got)
	}
	if d.journal[0].Stamp.Origin != "garden/g1" || d.journal[0].Origin.Boot != "0" || d.journal[0].By.Kind != ticket.ByRule {
		t.Errorf("raise %+v", d.journal[0])
	}
}

func TestFlappingIsToldOncePerQuietTimeAndCounted(t *testing.T) {
	t.Parallel()
	d := open(t)
	for i := range 45 {
		d.at(float64(2 * i)).begins(ticket.Overheat).at(float64(2*i + 1)).ends(ticket.Overheat)
	}
	d.at(200).want("raise clear@1s occur@30s(flapping:15) clear@31s occur@1m0s(flapping:15) clear@1m1s")
	if got := d.only(); got.Occurrences != 3 || got.Condition != ticket.Cleared {
		t.Errorf("got %+v", got)
	}
}

// What comes back within the quiet time and stays is told when that is over.
func TestWhatIsHushedAndLastsIsToldLater(t *testing.T) {
	t.Parallel()
	open(t).begins(ticket.Overheat).at(1).ends(ticket.Overheat).at(2).begins(ticket.Overheat).
		at(29).want("raise clear@1s").
		at(30).want("raise clear@1s occur@2s").
		at(31).ends(ticket.Overheat).want("raise clear@1s occur@2s clear@31s")
}

func TestLifeSafetyIsToldAtOnceEveryTime(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.triage.Maintain(nil, "lift-1", true, d.now())
	d.begins(ticket.Entrapment)
	for i := 1; i < 4; i++ {
		d.at(float64(i)).ends(ticket.Entrapment).at(float64(i) + 0.5).begins(ticket.Entrapment)
	}
	d.want("raise clear@1s occur@1.5s clear@2s occur@2.5s clear@3s occur@3.5s")
	if got := d.only(); got.Severity != ticket.Critical {
		t.Errorf("maintenance made an entrapment %s", got.Severity)
	}
}

// A level that is told again at the same instant is dropped for ordinary
// faults; for a trapped person a second word is better than none.
func TestWhatIsSentAgainIsTakenOnce(t *testing.T) {
	t.Parallel()
	d := open(t).happens(ticket.DoorForced, 0).at(40).happens(ticket.DoorForced, 0).want("raise")
	d.crash().happens(ticket.DoorForced, 0).want("raise")
	d.cloud(ticket.MarkFalseAlarm, d.only().ID).at(120).ends(ticket.DoorForced)
	d.crash().happens(ticket.DoorForced, 0).want("raise false_alarm@40s clear@2m0s")
	d.happens(ticket.DoorForced, 121_000).want("raise false_alarm@40s clear@2m0s raise@2m1s")
	open(t).happens(ticket.Duress, 0).happens(ticket.Duress, 0).want("raise")

	d = open(t).begins(ticket.Entrapment).cloud(ticket.Arrive, "t000001").cloud(ticket.Resolve, "t000001").ends(ticket.Entrapment)
	d.begins(ticket.Entrapment).want("raise arrive resolve clear raise")
}

// What the cloud or a rewritten log says again about an older ticket of the
// same key does not bring it back.
func TestAnOlderRaiseDoesNotComeBack(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat).at(1).ends(ticket.Overheat)
	d.cloud(ticket.MarkFalseAlarm, d.only().ID).at(60).begins(ticket.Overheat)
	second := d.only().ID
	b, err := d.triage.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if d.triage.Apply(d.journal[0], d.now()) || d.only().ID != second {
			t.Error("the first ticket took the second one's place")
		}
		if err := d.triage.Restore(b); err != nil {
			t.Fatal(err)
		}
	}
}

// It came back while it was hushed; people saw it cleared and were done.
func TestResolvedWhileHushedIsRaisedAgain(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat).at(1).ends(ticket.Overheat).at(2).begins(ticket.Overheat)
	d.at(3).cloud(ticket.Resolve, d.only().ID).at(4).want("raise clear@1s resolve@3s raise@2s")
	d.at(90).want("raise clear@1s resolve@3s raise@2s")
}

func TestEveryEventCounts(t *testing.T) {
	t.Parallel()
	d := open(t).happens(ticket.DoorForced, 0).at(1).happens(ticket.DoorForced, 500).happens(ticket.DoorForced, 1000).
		at(30).want("raise occur@1s(flapping:2)").
		at(61).happens(ticket.DoorForced, 61_000).want("raise occur@1s(flapping:2) occur@1m1s")
	if got := d.only().Occurrences; got != 3 {
		t.Errorf("%d occurrences", got)
	}
}

func TestAfterPeopleAreDoneTheNextRaiseIsANewTicket(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat)
	first := d.only().ID
	d.at(5).cloud(ticket.Accept, first).at(6).ends(ticket.Overheat).cloud(ticket.Resolve, first)
	// Within the quiet time: a person said it was done, so it is news.
	d.at(7).begins(ticket.Overheat).want("raise accept@5s clear@6s resolve@6s raise@7s")
	if second := d.only(); second.ID == first || second.Occurrences != 1 {
		t.Errorf("got %+v", second)
	}
}

func TestResolvedWhileItLastsIsQuietUntilItEnds(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat)
	id := d.only().ID
	d.at(5).cloud(ticket.Resolve, id).cloud(ticket.Close, id)
	if len(d.triage.Open()) != 0 || len(d.triage.Lasting()) != 1 {
		t.Error("a closed ticket is open, or its condition forgotten")
	}
	d.crash()
	if len(d.triage.Lasting()) != 1 {
		t.Error("the condition was forgotten at the restart")
	}
	d.at(9).ends(ticket.Overheat).want("raise resolve@5s close@5s clear@9s")
	d.cloud(ticket.Comment, id).want("raise resolve@5s close@5s clear@9s") // forgotten
}

// An event on a ticket that people ended before its condition was over.
func TestANewTicketTakesOverTheCondition(t *testing.T) {
	t.Parallel()
	d := open(t).happens(ticket.DoorForced, 0)
	id := d.only().ID
	d.at(1).cloud(ticket.Resolve, id).at(2).happens(ticket.DoorForced, 2000).
		want("raise resolve@1s clear@2s(superseded) raise@2s").
		at(62).ends(ticket.DoorForced)
	if got := d.journal[len(d.journal)-1]; got.Kind != ticket.Clear || got.Ticket == id {
		t.Errorf("cleared %+v", got)
	}
}

func TestReopenedTicketsTakeOccurrences(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat).at(1).ends(ticket.Overheat)
	id := d.only().ID
	d.at(2).cloud(ticket.Resolve, id).at(3).cloud(ticket.Reopen, id).at(60).begins(ticket.Overheat)
	if got := d.only(); got.ID != id || got.Occurrences != 2 {
		t.Errorf("got %+v", got)
	}
}

func TestMaintenanceDowngradesAndItsEndRaisesInFull(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.triage.Maintain(nil, "lift-1", true, d.now())
	d.begins(ticket.Overheat)
	first := d.only()
	if first.Severity != ticket.Warning || first.Title.Params["maintenance"] != "major" {
		t.Errorf("got %s %v", first.Severity, first.Title.Params)
	}
	d.at(10)
	d.keep(d.triage.Maintain(nil, "lift-1", true, d.now()))
	d.crash().want("raise")
	d.triage.Maintain(nil, "lift-1", true, d.now()) // the device says so again
	d.at(20)
	d.keep(d.triage.Maintain(nil, "lift-1", false, d.now()))
	d.want("raise resolve@20s(maintenance_ended) clear@20s(superseded) raise@20s")
	second := d.only()
	if second.ID == first.ID || second.Severity != ticket.Major || second.Title.Params["maintenance"] != "" || second.Title.Params["value"] != "9" {
		t.Errorf("got %+v", second)
	}
	d.at(30)
	d.keep(d.triage.Maintain(nil, "lift-1", false, d.now()))
	if d.only().ID != second.ID {
		t.Error("raised twice")
	}
}

func TestWhatIsOverWhenMaintenanceEndsStaysAWarning(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.triage.Maintain(nil, "lift-1", true, d.now())
	d.begins(ticket.Overheat).at(1).ends(ticket.Overheat)
	d.keep(d.triage.Maintain(nil, "lift-1", false, d.now()))
	d.want("raise clear@1s")
}

// The cloud still had an unresolved ticket of this condition (this edge's
// disk was lost): it keeps its own id and makes ours an alias.
func TestTheCloudsAliasIsFollowed(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat)
	id := d.only().ID
	x := ticket.Transition{
		ID: "alias", Ticket: "older", Kind: ticket.Alias, AliasID: id,
		Stamp: ticket.Stamp{WallMS: epoch + 5, Origin: "cloud"}, AtMS: epoch + 5,
	}
	if !d.triage.Apply(x, d.now()) {
		t.Fatal("the alias was not taken")
	}
	d.journal = append(d.journal, x)
	d.at(1).cloud(ticket.Accept, "older")
	check := func() {
		t.Helper()
		if got := d.only(); got.State != ticket.Accepted || got.ID != id {
			t.Errorf("got %s %s", got.ID, got.State)
		}
	}
	check()
	d.crash()
	check()
}

func TestDropEndsWhatNobodyJudges(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat).at(9)
	k := d.only().Key()
	d.keep(d.triage.Drop(nil, k, "rule_removed", d.now()))
	d.keep(d.triage.Drop(nil, k, "rule_removed", d.now()))
	d.want("raise clear@9s(rule_removed)")
}

func TestOpenIsWorstFirst(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat).at(1).begins(ticket.DoorForced).at(2).begins(ticket.Entrapment)
	var got []ticket.Fault
	for _, x := range d.triage.Open() {
		got = append(got, x.Fault)
	}
	if diff := cmp.Diff([]ticket.Fault{ticket.Entrapment, ticket.Overheat, ticket.DoorForced}, got); diff != "" {
		t.Error(diff)
	}
}

func TestSnapshotRestoresAll(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat).happens(ticket.DoorForced, 7)
	d.triage.Maintain(nil, "lift-9", true, d.now())
	b, err := d.triage.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	again := d.fresh()
	if err := again.Restore(b); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d.triage.Open(), again.Open()); diff != "" {
		t.Error(diff)
	}
	same, _ := again.Snapshot()
	if string(same) != string(b) {
		t.Error("the snapshot of what was restored differs")
	}
	d.triage = again
	d.happens(ticket.DoorForced, 7)
	if n := len(d.journal); n != 2 {
		t.Errorf("%d transitions: a repeated event was taken again", n)
	}
	x := d.journal[1].Stamp
	if d.at(40).begins(ticket.DeviceSilent); d.journal[2].Stamp.Compare(x) <= 0 || d.journal[2].Stamp.Number != x.Number+1 {
		t.Errorf("stamp %+v after %+v", d.journal[2].Stamp, x)
	}
}

func TestDamagedSnapshotsAreRefusedAndHarmless(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat)
	b, err := d.triage.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{"empty": nil, "newer": append([]byte{9}, b[1:]...), "torn": b[:len(b)/2], "junk": []byte("\x01hello")} {
		if err := d.triage.Restore(bad); err == nil {
			t.Errorf("%s: restored", name)
		}
	}
	d.only()
}

// A week of flapping, with people commenting, stays small and right.
func TestMemoryOfOneTicketIsBounded(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat)
	id := d.only().ID
	d.at(1).cloud(ticket.Resolve, id).cloud(ticket.Reopen, id)
	const times = 5000
	for i := 1; i <= times; i++ {
		d.at(float64(60 * i)).ends(ticket.Overheat).at(float64(60*i + 30)).begins(ticket.Overheat)
	}
	if got := d.only(); len(got.Log) > 100 || got.Occurrences != times+1 || got.State != ticket.Open || got.Condition != ticket.Active {
		t.Errorf("log %d, occurrences %d, %s/%s", len(got.Log), got.Occurrences, got.State, got.Condition)
	}
	d.at(1e6).ends(ticket.Overheat)
	for range 300 {
		d.cloud(ticket.Comment, id)
	}
	if got := d.only(); got.Condition != ticket.Cleared || got.State != ticket.Open {
		t.Errorf("%s/%s", got.State, got.Condition)
	}
	b, err := d.triage.Snapshot()
	if err != nil || len(b) > 64<<10 {
		t.Errorf("snapshot of %d bytes, %v", len(b), err)
	}
}

// A resolve that was overtaken by the condition's return: what people did
// after that stays true when the log is trimmed.
func TestTrimmingKeepsWhatReopened(t *testing.T) {
	t.Parallel()
	d := open(t).begins(ticket.Overheat).at(10).ends(ticket.Overheat).at(60).begins(ticket.Overheat)
	id := d.only().ID
	at := d.nowMS
	d.nowMS = 20_000
	d.cloud(ticket.Resolve, id)
	d.nowMS = at + 1000
	d.cloud(ticket.Accept, id)
	for i := 2; i < 200; i++ {
		d.at(float64(60 * i)).ends(ticket.Overheat).at(float64(60*i + 30)).begins(ticket.Overheat)
	}
	if got := d.only(); got.State != ticket.Accepted || got.Occurrences != 200 {
		t.Errorf("%s, %d occurrences", got.State, got.Occurrences)
	}
}

func TestTheCloudsOwnTicketsAreKeptUntilClosed(t *testing.T) {
	t.Parallel()
	d := open(t)
	x := ticket.Transition{
		ID: "r", Ticket: "human", Kind: ticket.Raise, AtMS: epoch, By: ticket.Actor{Kind: ticket.ByStaff, ID: "li-wei"},
		Stamp:   ticket.Stamp{WallMS: epoch + 10*24*3600*1000, Origin: "cloud"}, // a clock gone wrong
		Subject: &ticket.Subject{Estate: "garden", Rule: "overheat", Device: "lift-1", Metric: "m", Fault: ticket.HumanReported, Severity: ticket.Minor},
	}
	if !d.triage.Apply(x, d.now()) || d.triage.Apply(x, d.now()) {
		t.Error("a raise was not taken exactly once")
	}
	if n := len(d.triage.Lasting()); n != 0 {
		t.Errorf("%d conditions for no detector", n)
	}
	d.at(1).cloud(ticket.Resolve, "human").at(2).begins(ticket.Overheat)
	if d.only().ID == "human" {
		t.Error("our own raise was lost to a stamp from the future")
	}
}

func ExampleTriage() {
	n := 0
	tr := triage.New(triage.Config{Estate: "garden", Edge: "g1", Quiet: 30 * time.Second, Mint: func(time.Time) ticket.ID {
		n++
		return ticket.ID(fmt.Sprint(n))
	}})
	d := &desk{triage: tr}
	d.begins(ticket.DoorForced).at(120).ends(ticket.DoorForced)
	var kinds []string
	for _, x := range d.journal {
		kinds = append(kinds, string(x.Kind))
	}
	fmt.Println(strings.Join(kinds, ", "))
	// Output: raise, clear
}
