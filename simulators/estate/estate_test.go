package estate

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// eightOClock is a Monday morning rush hour in Shanghai.
const eightOClock = int64(1_795_996_800_000)

func plan() Plan {
	return Plan{Devices: []Device{
		{ID: "gate-east-1", Kind: AccessGate, Building: "3"},
		{ID: "lift-3-1", Kind: Elevator, Building: "3", Unit: 1},
		{ID: "lift-3-2", Kind: Elevator, Building: "3", Unit: 2, Floors: 11},
		{ID: "robot-1", Kind: Robot},
	}}
}

func build(t *testing.T, p Plan, seed uint64) *Estate {
	t.Helper()
	e, err := New(p, seed, eightOClock)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// until advances second by second until want holds, and returns the time it
// took; it fails after limit.
func until(t *testing.T, e *Estate, limit time.Duration, want func([]Report) bool) time.Duration {
	t.Helper()
	start := e.NowMS()
	for e.NowMS()-start < limit.Milliseconds() {
		if want(e.Advance(e.NowMS() + TickMS)) {
			return time.Duration(e.NowMS()-start) * time.Millisecond
		}
	}
	t.Fatalf("nothing of the kind within %s", limit)
	return 0
}

func begin(t *testing.T, e *Estate, f Fault, device string, lasts time.Duration) {
	t.Helper()
	if err := e.Begin(f, device, lasts); err != nil {
		t.Fatal(err)
	}
}

func TestSameSeedSameSequenceHoweverTimeIsSliced(t *testing.T) {
	t.Parallel()
	live := func(slice int64, seed uint64) ([]Report, []Terminal) {
		e := build(t, plan(), seed)
		begin(t, e, DoorHeld, "gate-east-1", time.Minute)
		var said []Report
		var lifts []Terminal
		for e.NowMS() < eightOClock+20*60_000 {
			said = append(said, e.Advance(e.NowMS()+slice)...)
			if (e.NowMS()-eightOClock)%60_000 == 0 {
				term, err := e.Terminal("lift-3-1")
				if err != nil {
					t.Fatal(err)
				}
				lifts = append(lifts, term)
			}
		}
		return said, lifts
	}
	said, lifts := live(TickMS, 42)
	again, liftsAgain := live(60_000, 42)
	if d := cmp.Diff(said, again); d != "" {
		t.Errorf("reports differ with the slicing of time:\n%s", d)
	}
	if d := cmp.Diff(lifts, liftsAgain); d != "" {
		t.Errorf("lifts differ with the slicing of time:\n%s", d)
	}
	other, _ := live(60_000, 43)
	if cmp.Equal(said, other) {
		t.Error("another seed gave the same sequence")
	}
}

func TestAddingADeviceLeavesTheOthersAlone(t *testing.T) {
	t.Parallel()
	only := func(rs []Report, device string) []Report {
		var out []Report
		for _, r := range rs {
			if r.Device == device {
				out = append(out, r)
			}
		}
		return out
	}
	p := plan()
	small := build(t, p, 7).Advance(eightOClock + 600_000)
	p.Devices = append(p.Devices, Device{ID: "gate-west-1", Kind: AccessGate, Building: "5"})
	large := build(t, p, 7).Advance(eightOClock + 600_000)
	if d := cmp.Diff(only(small, "gate-east-1"), only(large, "gate-east-1")); d != "" {
		t.Error(d)
	}
}

func TestPeopleSleepAtNightAndTheLiftFollowsTheGate(t *testing.T) {
	t.Parallel()
	granted := func(startMS int64) (n int, travelled uint32) {
		e, err := New(plan(), 3, startMS)
		if err != nil {
			t.Fatal(err)
		}
		before, _ := e.Terminal("lift-3-1")
		for _, r := range e.Advance(startMS + 3_600_000) {
			if r.Event == "access_granted" {
				n++
			}
		}
		after, _ := e.Terminal("lift-3-1")
		return n, after.FloorsTravelled - before.FloorsTravelled
	}
	night, nightFloors := granted(eightOClock - 5*3_600_000)
	morning, morningFloors := granted(eightOClock)
	if night > 10 || morning < 80 {
		t.Errorf("passages at three %d, at eight %d: the crowd does not sleep", night, morning)
	}
	if morningFloors < 10*(nightFloors+1) {
		t.Errorf("floors travelled at three %d, at eight %d: lifts do not follow gates", nightFloors, morningFloors)
	}
}

func TestASilentDeviceIsNotHeardAndComesBack(t *testing.T) {
	t.Parallel()
	e := build(t, plan(), 1)
	begin(t, e, DeviceSilent, "gate-east-1", 2*time.Minute)
	for _, r := range e.Advance(eightOClock + 119_000) {
		if r.Device == "gate-east-1" {
			t.Fatalf("a silent gate said %+v", r)
		}
	}
	until(t, e, time.Minute, func(rs []Report) bool {
		return len(rs) > 0 && rs[0].Device == "gate-east-1"
	})
}

func TestTruthRemembersBeginAndEnd(t *testing.T) {
	t.Parallel()
	e := build(t, plan(), 1)
	begin(t, e, DoorForced, "gate-east-1", 30*time.Second)
	begin(t, e, RobotStuck, "robot-1", 0)
	begin(t, e, RobotStuck, "robot-1", 0) // already there: still one episode
	e.Advance(eightOClock + 60_000)
	if err := e.Mend(RobotStuck, "robot-1"); err != nil {
		t.Fatal(err)
	}
	got := e.Episodes()
	for i := range got {
		got[i].dueMS, got[i].shown = 0, false
	}
	want := []Episode{
		{Device: "gate-east-1", Fault: DoorForced, FromMS: eightOClock, ToMS: eightOClock + 30_000},
		{Device: "robot-1", Fault: RobotStuck, FromMS: eightOClock, ToMS: eightOClock + 60_000},
	}
	if d := cmp.Diff(want, got, cmp.AllowUnexported(Episode{})); d != "" {
		t.Error(d)
	}
}

func TestBeginRefusesWhatCannotBe(t *testing.T) {
	t.Parallel()
	e := build(t, plan(), 1)
	for _, c := range []struct {
		fault  Fault
		device string
		says   string
	}{
		{Entrapment, "gate-east-1", "only door_forced, door_held, device_silent"},
		{"fire", "lift-3-1", "cannot have"},
		{Entrapment, "lift-9-9", "no device"},
	} {
		if err := e.Begin(c.fault, c.device, 0); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("Begin(%s, %s) = %v, want %q in it", c.fault, c.device, err, c.says)
		}
	}
	if len(e.Episodes()) != 0 {
		t.Error("a refused fault stands in the truth")
	}
}

func TestPlanNamesEverythingWrong(t *testing.T) {
	t.Parallel()
	err := Plan{Devices: []Device{
		{ID: "Gate", Kind: AccessGate},
		{ID: "a", Kind: "boiler"},
		{ID: "b", Kind: Elevator},
		{ID: "c", Kind: Elevator, Unit: 3},
		{ID: "c", Kind: Elevator, Unit: 3, Floors: 1},
	}}.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{`"Gate"`, "boiler", "unit 0", "listed twice", "already belongs", "1 floors"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in:\n%v", want, err)
		}
	}
}
