package scenario_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/simulators/scenario"
	"github.com/linshao/linshao/simulators/scenarios"
	"github.com/linshao/linshao/simulators/truth"
)

func parse(t *testing.T, text string) scenario.Story {
	t.Helper()
	s, err := scenario.Parse("story.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

const short = `
name: short
seed: 42
start: 2026-11-30T08:00:00+08:00
duration: 3m
devices:
  - {id: gate-1, kind: access-gate, building: "3"}
  - {id: lift-1, kind: elevator, unit: 1, building: "3"}
story:
  - {at: 2m, mend: door_forced, device: gate-1}
  - {at: 30s, push: door_forced, device: gate-1, for: 10m}
  - {at: 30s, want: {device: gate-1, metric: door, is: open, within: 1s}}
  - {at: 30s, want: {device: gate-1, metric: locked, is: true, within: 1s}}
  - {at: 30s, want: {device: gate-1, ticket: door_forced, within: 5s}}
`

func TestAStoryIsPlayedInItsOrder(t *testing.T) {
	t.Parallel()
	o, err := scenario.Rehearse(parse(t, short), time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC).UnixMilli()
	want := []truth.Fault{{Device: "gate-1", Fault: "door_forced", FromMS: start + 30_000, ToMS: start + 120_000}}
	if d := cmp.Diff(want, o.Truth); d != "" {
		t.Error(d)
	}
	if len(o.Unmet) != 0 {
		t.Errorf("unmet: %v", o.Unmet)
	}
	if len(o.Tickets) != 1 || o.Tickets[0].FromMS != start+30_000 || o.Tickets[0].ToMS != start+35_000 {
		t.Errorf("tickets: %+v", o.Tickets)
	}
}

func TestWhatIsNotSeenIsSaid(t *testing.T) {
	t.Parallel()
	s := parse(t, short+`  - {at: 1m, want: {device: lift-1, metric: motor_temp, above: 85, within: 30s}}
  - {at: 3m, want: {device: lift-1, metric: speed, below: -1, within: 30s}}
`)
	o, err := scenario.Rehearse(s, time.Time{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Unmet) != 2 || o.Unmet[0].String() != "motor_temp of lift-1 above 85 within 30s" {
		t.Errorf("unmet: %v", o.Unmet)
	}
}

func TestAWantOfSomethingUnmeasuredIsAnError(t *testing.T) {
	t.Parallel()
	s := parse(t, short+"  - {at: 1m, want: {device: lift-1, metric: mood, is: good}}\n")
	if _, err := scenario.Rehearse(s, time.Time{}, nil); err == nil || !strings.Contains(err.Error(), `"mood"`) {
		t.Errorf("error: %v", err)
	}
}

func TestSameSeedSameBytes(t *testing.T) {
	t.Parallel()
	record := func(seed uint64) string {
		s := parse(t, short)
		s.Seed = seed
		var out bytes.Buffer
		r, err := scenario.Record(&out, s)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := scenario.Rehearse(s, time.Time{}, r); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	first := record(42)
	if first != record(42) {
		t.Error("two runs of one seed differ")
	}
	if first == record(43) {
		t.Error("another seed gave the same bytes")
	}
	for _, want := range []string{
		"timestamp,device,metric,value\n",
		"2026-11-30T00:00:30.250Z,gate-1,door,1\n", // the word open
		"2026-11-30T00:01:00.000Z,lift-1,trapped,0\n",
	} {
		if !strings.Contains(first, want) {
			t.Errorf("%q is not in the recording", want)
		}
	}
}

func TestShippedScenariosKeepTheirPromises(t *testing.T) {
	t.Parallel()
	for _, name := range scenarios.Names() {
		text, ok := scenarios.Text(name)
		if !ok {
			t.Fatal(name)
		}
		s, err := scenario.Parse(name+".yaml", text)
		if err != nil {
			t.Fatal(err)
		}
		o, err := scenario.Rehearse(s, time.Time{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(o.Unmet) != 0 || len(o.Truth) == 0 {
			t.Errorf("%s: unmet %v, %d faults", name, o.Unmet, len(o.Truth))
		}
	}
}

func TestEveryMistakeIsNamedWithItsLine(t *testing.T) {
	t.Parallel()
	_, err := scenario.Parse("story.yaml", []byte(`name: wrong
start: tomorrow
duration: 1m
colour: blue
devices:
  - {id: gate-1, kind: access-gate}
  - {id: gate-1, kind: access-gate}
  - {id: lift-1, kind: elevator}
story:
  - {at: 2m, push: door_forced, device: gate-1}
  - {at: 1s, push: entrapment, device: gate-1}
  - {at: 1s, push: door_held, device: gate-9}
  - {at: 1s, push: door_held, mend: door_held, device: gate-1}
  - {at: 1s, want: {device: gate-1}}
  - {at: 1s, want: {device: gate-1, metric: door}}
`))
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"story.yaml:2:", "story.yaml:4:", "story.yaml:7:", "story.yaml:8:", "story.yaml:10:", "story.yaml:11:",
		"story.yaml:12:", "story.yaml:13:", "story.yaml:14:", "story.yaml:15:",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%s is not named in:\n%v", want, err)
		}
	}
}
