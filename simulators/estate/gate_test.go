package estate

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestForcedDoorSaysSoAtOnceAndLetsNobodyIn(t *testing.T) {
	t.Parallel()
	e := build(t, plan(), 2)
	begin(t, e, DoorForced, "gate-east-1", time.Minute)
	var events []string
	var values map[string]any
	for _, r := range e.Advance(eightOClock + TickMS) {
		if r.Device != "gate-east-1" {
			continue
		}
		if r.Event != "" {
			events = append(events, r.Event)
		} else {
			values = r.Values
		}
	}
	if d := cmp.Diff([]string{"door_forced_open"}, events); d != "" {
		t.Error(d)
	}
	if values["door"] != "open" || values["locked"] != true {
		t.Errorf("a forced door is open and locked, not %v", values)
	}
	for _, r := range e.Advance(eightOClock + 59_000) {
		if r.Event == "access_granted" {
			t.Error("somebody badged at a door that is being forced")
		}
	}
	e.Advance(eightOClock + 60_250)
	if v, _ := e.Values("gate-east-1"); v["door"] != "closed" {
		t.Errorf("mended, and still %v", v)
	}
}

func TestHeldDoorComplainsAfterHalfAMinute(t *testing.T) {
	t.Parallel()
	e := build(t, plan(), 2)
	e.Advance(eightOClock + 2_000)
	begin(t, e, DoorHeld, "gate-east-1", 2*time.Minute)
	took := until(t, e, time.Minute, func(rs []Report) bool {
		for _, r := range rs {
			if r.Event == "door_held_open" {
				return true
			}
		}
		return false
	})
	if took < 20*time.Second {
		t.Errorf("complained after %s", took)
	}
}

func TestAGateReportsAtLeastEveryTenSeconds(t *testing.T) {
	t.Parallel()
	e, err := New(plan(), 2, eightOClock-5*3_600_000)
	if err != nil {
		t.Fatal(err)
	}
	last := e.NowMS()
	for _, r := range e.Advance(e.NowMS() + 600_000) {
		if r.Device == "gate-east-1" && r.Values != nil {
			if r.AtMS-last > gateReportMS {
				t.Fatalf("%d ms without a report", r.AtMS-last)
			}
			last = r.AtMS
		}
	}
}

func TestAStuckRobotWantsToDriveAndDoesNotMove(t *testing.T) {
	t.Parallel()
	e := build(t, plan(), 2)
	e.Advance(eightOClock + 30_000)
	begin(t, e, RobotStuck, "robot-1", 3*time.Minute)
	e.Advance(e.NowMS() + 1_000)
	before, _ := e.Values("robot-1")
	for range 170 {
		e.Advance(e.NowMS() + 1_000)
		v, _ := e.Values("robot-1")
		if v["speed"] != 0.0 || v["commanded_speed"] != robotSpeed || v["x"] != before["x"] || v["mode"] != "auto" {
			t.Fatalf("stuck: %v", v)
		}
	}
	e.Advance(e.NowMS() + 20_000)
	if v, _ := e.Values("robot-1"); v["x"] == before["x"] {
		t.Error("freed, and still there")
	}
}

func TestARobotChargesBeforeItIsEmpty(t *testing.T) {
	t.Parallel()
	e := build(t, plan(), 2)
	charged := false
	for range 12 * 60 {
		e.Advance(e.NowMS() + 60_000)
		v, _ := e.Values("robot-1")
		if v["battery"].(float64) < 10 {
			t.Fatalf("nearly empty: %v", v)
		}
		charged = charged || v["charging"] == true
	}
	if !charged {
		t.Error("it never charged in twelve hours")
	}
}
