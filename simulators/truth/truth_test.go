package truth

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const noon = int64(1_795_996_800_000)

func TestTruthSurvivesItsFile(t *testing.T) {
	t.Parallel()
	want := []Fault{
		{Device: "lift-3-1", Fault: "entrapment", FromMS: noon, ToMS: noon + 60_250},
		{Device: "gate-east-1", Fault: "door_held", FromMS: noon + 5},
	}
	var file bytes.Buffer
	if err := Write(&file, want); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(file.String(), "device,fault,from,to\nlift-3-1,entrapment,2026-11-30T00:00:00.000Z,") {
		t.Errorf("file:\n%s", file.String())
	}
	got, err := Read(&file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestTicketsAreReadByColumnName(t *testing.T) {
	t.Parallel()
	got, err := ReadTickets(strings.NewReader(
		"severity,id,device,kind,raised_at,cleared_at\n" +
			"major,t1,sunrise:gate-1,door_forced,2026-11-30T08:00:00.5+08:00,\n" +
			"minor,t2,gate-1,access-gate,1795996800000,1795996860000\n"))
	if err != nil {
		t.Fatal(err)
	}
	want := []Ticket{
		{ID: "t1", Device: "sunrise:gate-1", Kind: "door_forced", RaisedMS: noon + 500},
		{ID: "t2", Device: "gate-1", Kind: "access-gate", RaisedMS: noon, ClearedMS: noon + 60_000},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestBadFilesNameThePlace(t *testing.T) {
	t.Parallel()
	for file, says := range map[string]string{
		"":                 "empty",
		"device,from,to\n": `no column "fault"`,
		"device,fault,from,to\nlift,entrapment,yesterday,\n": `line 2, column 17: "yesterday"`,
		"device,fault,from,to\nlift,entrapment\n":            "wrong number of fields",
	} {
		if _, err := Read(strings.NewReader(file)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", file, err, says)
		}
	}
}

func TestScoreTellsFoundMissedRelatedDoubledAndFalseApart(t *testing.T) {
	t.Parallel()
	faults := []Fault{
		{Device: "lift-3-1", Fault: "entrapment", FromMS: noon, ToMS: noon + 600_000},
		{Device: "lift-3-2", Fault: "overheat_drift", FromMS: noon, ToMS: noon + 600_000},
		{Device: "gate-1", Fault: "door_forced", FromMS: noon + 1000, ToMS: noon + 61_000},
		{Device: "robot-1", Fault: "robot_stuck", FromMS: noon, ToMS: noon + 1000},
	}
	tickets := []Ticket{
		{ID: "false", Device: "gate-1", Kind: "door_forced", RaisedMS: noon + 600_000},
		{ID: "found", Device: "garden:lift-3-1", Kind: "entrapment", RaisedMS: noon + 800},
		{ID: "related", Device: "lift-3-1", Kind: "alarm_key", RaisedMS: noon + 900},
		{ID: "doubled", Device: "lift-3-1", Kind: "entrapment", RaisedMS: noon + 5000},
		{ID: "by kind", Device: "gate-1", Kind: "access-gate", RaisedMS: noon + 1200},
		{ID: "drift", Device: "lift-3-2", Kind: "overheat", RaisedMS: noon + 200_000},
	}
	r := Score(faults, tickets, Span{Devices: 10, DaysMS: 24 * 3600 * 1000})
	want := Result{
		Faults: 4, Found: 3, Tickets: 6, Related: 1, Doubled: 1, False: 1,
		Recall: 0.75, Precision: 4.0 / 6, DelayP50MS: 800, DelayP95MS: 200_000, DelayMaxMS: 200_000,
		DeviceDays: 10, FalsePerDeviceDay: 0.1,
		Missed: []Fault{faults[3]}, Wrong: []Ticket{tickets[0]},
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
}

func TestTwoFaultsOfOneDeviceWantTwoTickets(t *testing.T) {
	t.Parallel()
	faults := []Fault{
		{Device: "gate-1", Fault: "door_forced", FromMS: noon, ToMS: noon + 60_000},
		{Device: "gate-1", Fault: "device_silent", FromMS: noon + 10_000},
	}
	r := Score(faults, []Ticket{
		{Device: "gate-1", Kind: "access-gate", RaisedMS: noon + 20_000},
		{Device: "gate-1", Kind: "access-gate", RaisedMS: noon + 30_000},
	}, Span{})
	if r.Found != 2 || r.Doubled != 0 || r.Precision != 1 {
		t.Errorf("%+v", r)
	}
}

func TestNothingToJudgeIsPerfect(t *testing.T) {
	t.Parallel()
	if r := Score(nil, nil, Span{}); r.Recall != 1 || r.Precision != 1 || r.FalsePerDeviceDay != 0 {
		t.Errorf("%+v", r)
	}
}
