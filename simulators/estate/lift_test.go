package estate

import (
	"testing"
	"time"
)

func terminal(t *testing.T, e *Estate, id string) Terminal {
	t.Helper()
	term, err := e.Terminal(id)
	if err != nil {
		t.Fatal(err)
	}
	return term
}

func TestEntrapmentShowsWithinSecondsWhateverTheCarWasDoing(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		e := build(t, plan(), seed)
		e.Advance(eightOClock + int64(seed)*7_250)
		begin(t, e, Entrapment, "lift-3-1", 0)
		took := until(t, e, 20*time.Second, func([]Report) bool {
			return terminal(t, e, "lift-3-1").Faults&TrappedOffLevel != 0
		})
		term := terminal(t, e, "lift-3-1")
		if term.Level || term.Door || !term.Person || !term.AlarmKey || term.SpeedMS != 0 {
			t.Fatalf("seed %d: trapped after %s, but %+v", seed, took, term)
		}
		if from := e.Episodes()[0].FromMS; from != e.NowMS() {
			t.Errorf("seed %d: the truth begins %d ms before the car stood", seed, e.NowMS()-from)
		}
		if took > 10*time.Second {
			t.Errorf("seed %d: it took %s to get stuck", seed, took)
		}
		e.Advance(e.NowMS() + 16_000)
		if terminal(t, e, "lift-3-1").Faults&StoppedOutside == 0 {
			t.Errorf("seed %d: 16 s outside the door zone and no bit", seed)
		}
	}
}

func TestNobodyAppearsOrVanishesBehindClosedDoors(t *testing.T) {
	t.Parallel()
	e := build(t, plan(), 5)
	begin(t, e, Entrapment, "lift-3-2", 3*time.Minute)
	before := terminal(t, e, "lift-3-2")
	for range 30 * 60 * 4 {
		e.Advance(e.NowMS() + TickMS)
		now := terminal(t, e, "lift-3-2")
		if now.Person != before.Person && !now.Door && !before.Door {
			t.Fatalf("presence changed behind closed doors at +%d ms", e.NowMS()-eightOClock)
		}
		if now.Floor < 1 || now.Floor > 11 || now.SpeedMS > liftSpeed+0.01 {
			t.Fatalf("impossible car: %+v", now)
		}
		before = now
	}
}

func TestRescueLevelsTheCarUnderInspectionAndLetsPeopleOut(t *testing.T) {
	t.Parallel()
	e := build(t, plan(), 5)
	begin(t, e, Entrapment, "lift-3-1", time.Minute)
	until(t, e, time.Minute, func([]Report) bool { return terminal(t, e, "lift-3-1").AlarmKey })
	until(t, e, 2*time.Minute, func([]Report) bool { return terminal(t, e, "lift-3-1").Inspection })
	until(t, e, time.Minute, func([]Report) bool {
		term := terminal(t, e, "lift-3-1")
		return term.Faults == 0 && !term.Person && term.Door
	})
}

func TestOverheatDriftsAndCools(t *testing.T) {
	t.Parallel()
	e := build(t, plan(), 5)
	e.Advance(eightOClock + 30*60_000)
	if c := terminal(t, e, "lift-3-1").MotorC; c > 65 {
		t.Fatalf("a healthy motor has %.1f degrees", c)
	}
	begin(t, e, OverheatDrift, "lift-3-1", 10*time.Minute)
	e.Advance(e.NowMS() + 20_000)
	if c := terminal(t, e, "lift-3-1").MotorC; c > 70 {
		t.Errorf("%.1f degrees after 20 s is a jump, not a drift", c)
	}
	until(t, e, 5*time.Minute, func([]Report) bool { return terminal(t, e, "lift-3-1").MotorC > 87 })
	e.Advance(e.NowMS() + 20*60_000)
	if c := terminal(t, e, "lift-3-1").MotorC; c > 65 {
		t.Errorf("mended, and still %.1f degrees", c)
	}
}

func TestATrappedLiftDrawsTheRobot(t *testing.T) {
	t.Parallel()
	e := build(t, plan(), 9)
	begin(t, e, Entrapment, "lift-3-1", 10*time.Minute)
	until(t, e, 5*time.Minute, func([]Report) bool {
		v, err := e.Values("robot-1")
		if err != nil {
			t.Fatal(err)
		}
		return v["state"] == "paused"
	})
	e.Advance(eightOClock + 12*60_000)
	if v, _ := e.Values("robot-1"); v["state"] == "paused" {
		t.Error("the robot still waits at the lobby")
	}
}
