package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// call runs the command line and returns exit code, answer and complaint.
func call(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, complaint bytes.Buffer
	code = execute(t.Context(), args, &out, &complaint)
	return code, out.String(), complaint.String()
}

func file(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestHelpAndVersionAreAnswers(t *testing.T) {
	code, out, _ := call(t, "--help")
	if code != exitDone {
		t.Errorf("help exits with %d", code)
	}
	for _, want := range []string{"demo", "run", "fleet", "inject", "score", "--log-level", "--log-format", "--version"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in the help:\n%s", want, out)
		}
	}
	code, out, _ = call(t, "--version")
	if code != exitDone || !strings.HasPrefix(out, "linshao-sim ") {
		t.Errorf("version: %d %q", code, out)
	}
	code, out, _ = call(t, "demo", "--help")
	for _, want := range []string{"--data", "--cloud-http", "--cloud-mqtt", "--edge-mqtt", "--edge-http", "--modbus", "--estates", "--seed", "--speed", "--no-faults", "--keep"} {
		if code != exitDone || !strings.Contains(out, want) {
			t.Errorf("%q is not in the demo's help", want)
		}
	}
}

func TestWrongUsageExitsWithTwo(t *testing.T) {
	story := file(t, "story.yaml", "colour: blue\ndevices: [{id: g, kind: access-gate}]\n")
	text := file(t, "truth.csv", "nonsense\n")
	for _, c := range []struct {
		args []string
		says string
	}{
		{nil, "expected one of"},
		{[]string{"--colour"}, "unknown flag"},
		{[]string{"--log-level", "loud", "score"}, "--log-level"},
		{[]string{"demo", "--estates", "0", "--bin", t.TempDir()}, "--estates"},
		{[]string{"demo", "--bin", t.TempDir()}, "make build"},
		{[]string{"run", "no-such-story"}, "lift-entrapment"},
		{[]string{"run", story}, "story.yaml:1:1"},
		{[]string{"run", "lift-entrapment", "--record", "x.csv"}, "--offline"},
		{[]string{"run", "lift-entrapment", "--speed", "-1"}, "--speed"},
		{[]string{"score", "--truth", text, "--tickets", text}, "truth.csv"},
		{[]string{"fleet", "--edges", "1", "--devices", "0", "--rate", "1", "--cloud-mqtt", "tcp://127.0.0.1:1"}, "0 devices"},
		{[]string{"inject", "entrapment", "lift-1"}, "--demo"},
	} {
		code, out, complaint := call(t, c.args...)
		if code != exitUsage || !strings.Contains(complaint+out, c.says) {
			t.Errorf("%q: exit %d, want %q in:\n%s%s", c.args, code, c.says, out, complaint)
		}
	}
}

func TestFailureExitsWithOne(t *testing.T) {
	code, _, complaint := call(t, "inject", "--demo", "http://127.0.0.1:1", "entrapment", "lift-1")
	if code != exitFailed || !strings.Contains(complaint, "ask simulation") {
		t.Errorf("exit %d: %s", code, complaint)
	}
}

func TestARehearsalWritesTruthAndRecordingThatScoreReads(t *testing.T) {
	dir := t.TempDir()
	truthFile, record := filepath.Join(dir, "truth.csv"), filepath.Join(dir, "samples.csv")
	code, out, complaint := call(t, "run", "lift-entrapment", "--offline", "--truth", truthFile, "--record", record)
	if code != exitDone || !strings.Contains(out, "2 faults, 0 wants not met") {
		t.Fatalf("exit %d: %s%s", code, out, complaint)
	}
	samples, err := os.ReadFile(record)
	if err != nil || !bytes.HasPrefix(samples, []byte("timestamp,device,metric,value\n")) || len(samples) < 10_000 {
		t.Errorf("recording of %d bytes, %v", len(samples), err)
	}
	tickets := file(t, "tickets.csv", "id,device,kind,raised_at,cleared_at\n"+
		"1,sunrise-garden:lift-3-1,entrapment,2026-11-30T07:56:10+08:00,\n")
	code, out, complaint = call(t, "score", "--truth", truthFile, "--tickets", tickets)
	if code != exitDone || !strings.Contains(out, "recall                0.500") ||
		!strings.Contains(out, "precision             1.000") || !strings.Contains(out, "missed  gate-east-1 door_forced") {
		t.Errorf("exit %d:\n%s%s", code, out, complaint)
	}
	if code, out, _ = call(t, "score", "--json", "--truth", truthFile, "--tickets", tickets); code != exitDone || !strings.Contains(out, `"recall": 0.5`) {
		t.Errorf("json: %d %s", code, out)
	}
}

func TestUnmetWantsAreAFailure(t *testing.T) {
	story := file(t, "story.yaml", `name: hopeless
duration: 10s
devices: [{id: g, kind: access-gate}]
story: [{at: 1s, want: {device: g, metric: supply_voltage, above: 400, within: 1s}}]
`)
	code, out, _ := call(t, "run", story, "--offline")
	if code != exitFailed || !strings.Contains(out, "not met: supply_voltage of g above 400 within 1s") {
		t.Errorf("exit %d: %s", code, out)
	}
}
