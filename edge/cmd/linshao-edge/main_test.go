package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linshao/linshao/edge/app"
	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/simulators/modbussim"
)

// desk is a folder in which commands are typed.
type desk struct {
	t   *testing.T
	dir string
}

func newDesk(t *testing.T) desk { return desk{t, t.TempDir()} }

func (d desk) write(name, text string) string {
	d.t.Helper()
	p := filepath.Join(d.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	return p
}

// run types a command line, DIR standing for the folder, and returns what
// comes back.
func (d desk) run(line, stdin string) (code int, stdout, stderr string) {
	var out, bad strings.Builder
	args := strings.Fields(strings.ReplaceAll(line, "DIR", d.dir))
	code = run(args, strings.NewReader(stdin), &out, &bad)
	return code, out.String(), bad.String()
}

// says types a command line that must succeed, and returns its answer.
func (d desk) says(line, stdin string) string {
	d.t.Helper()
	code, out, bad := d.run(line, stdin)
	if code != done || bad != "" {
		d.t.Fatalf("%s: status %d, %s", line, code, bad)
	}
	return out
}

// object is says for an answer in JSON, which must have no null where a list
// belongs.
func (d desk) object(line string, into any) {
	d.t.Helper()
	out := d.says(line, "")
	if err := json.Unmarshal([]byte(out), into); err != nil {
		d.t.Fatalf("%s: %v in %s", line, err, out)
	}
}

const edgeYAML = `estate: sunrise
edge: e1
devices:
  - {id: gate-1, profile: access-gate, location: 东门}
  - {id: lift-1, profile: lift-terminal, modbus: {url: "tcp://10.0.0.9:502", unit: 3}}
`

// Status 2 is what the operator has to mend, 1 what failed; answers go to
// stdout, complaints to stderr.
func TestExitStatus(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write("edge.yaml", edgeYAML)
	d.write("typo.yaml", "estate: sunrise\nedg: e1\n")
	d.write("rules.yaml", "rules:\n  - {id: hot, detector: threshold, metric: t, above: 80, severity: major}\n")
	d.write("list.yaml", "- {id: hot}\n")
	d.write("bad.csv", "timestamp,device,metric,value\nyesterday,a,t,1\n")
	for line, want := range map[string]struct {
		code int
		says string
	}{
		"--version":                         {done, "linshao-edge dev (commit unknown)"},
		"--help":                            {done, "Run the per-estate daemon"},
		"check --help":                      {done, "rules:"},
		"backtest --help":                   {done, "key rules:"},
		"":                                  {usage, "expected one of"},
		"fly":                               {usage, "unexpected argument fly"},
		"run":                               {usage, "--config"},
		"run --config DIR/typo.yaml":        {usage, "typo.yaml:2:1: edg: unknown key; did you mean edge?"},
		"run --config DIR/gone.yaml":        {usage, "gone.yaml"},
		"check":                             {usage, "name the configuration with --config"},
		"check --config DIR/edge.yaml":      {done, "estate sunrise, edge e1"},
		"check --config DIR/typo.yaml":      {usage, "typo.yaml:1:1: edge: edge is missing"},
		"check --log-level loud":            {usage, "--log-level"},
		"read --url tcp://h:1":              {usage, "--profile"},
		"read --url h --profile x":          {usage, `no shipped profile "x"`},
		"read --url h --register x":         {usage, "write SPACE:ADDRESS:COUNT:TYPE"},
		"read --url h --profile DIR/a.yaml": {usage, "a.yaml"},
		"read --url serial:1 --register coil:0:1:bool":          {usage, "tcp://"},
		"read --url tcp://127.0.0.1:1 --register coil:0:1:bool": {failed, "linshao-edge: "},
		"profiles nonsense":                                                    {usage, `no shipped profile "nonsense"`},
		"outbox --data-dir DIR":                                                {usage, "holds no outbox"},
		"backtest --rules DIR/gone":                                            {usage, "gone"},
		"backtest --rules DIR/list.yaml":                                       {usage, "list.yaml:1:1: "},
		"backtest --rules DIR/rules.yaml":                                      {failed, "header"},
		"backtest --rules DIR/rules.yaml --in DIR/gone":                        {usage, "gone"},
		"backtest --rules DIR/rules.yaml --in DIR/bad.csv":                     {failed, "line 2"},
		"backtest --rules DIR/rules.yaml --in DIR/bad.csv --out DIR/no/where":  {usage, "where"},
		"backtest --rules DIR/rules.yaml --in DIR/bad.csv --out DIR/./bad.csv": {usage, "--out is the recording itself"},
	} {
		code, out, bad := d.run(line, "")
		where, other := out, bad
		if want.code != done {
			where, other = bad, out
		}
		if code != want.code || !strings.Contains(where, want.says) {
			t.Errorf("%q: status %d\nstdout %s\nstderr %s", line, code, out, bad)
		}
		if strings.Contains(other, want.says) {
			t.Errorf("%q says so in the wrong place", line)
		}
	}
	if b, err := os.ReadFile(filepath.Join(d.dir, "bad.csv")); err != nil || !strings.Contains(string(b), "yesterday") {
		t.Errorf("the recording is gone: %q, %v", b, err)
	}
}

func TestCheckPrintsThePlanAndChangesNothing(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write("edge.yaml", edgeYAML+"data_dir: "+d.dir+"/data\n")
	out := d.says("check --config DIR/edge.yaml", "")
	for _, want := range []string{
		"uplink  none: works alone", "outbox  up to 2GiB", "gate-1 (access-gate) 东门: access-gate, MQTT", "lift-1 (elevator): lift-terminal, Modbus tcp://10.0.0.9:502 unit 3",
		"\n  poll ", "\n  rule forced: event, major",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
	var plan struct {
		Estate  string
		Devices []plannedDevice
	}
	d.object("check --json --config DIR/edge.yaml", &plan)
	if plan.Estate != "sunrise" || len(plan.Devices) != 2 || len(plan.Devices[0].Rules) == 0 || len(plan.Devices[1].Polls) == 0 {
		t.Errorf("%+v", plan)
	}
	if _, err := os.Stat(d.dir + "/data"); err == nil {
		t.Error("check made the data directory")
	}
	var schema struct{ Properties map[string]any }
	if d.object("check --schema", &schema); schema.Properties["rules"] == nil {
		t.Error("the schema knows no rules")
	}
}

func TestProfiles(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if out := d.says("profiles", ""); !strings.HasPrefix(out, "PROFILE") || !strings.Contains(out, "\nlift-terminal ") {
		t.Errorf("%s", out)
	}
	if out := d.says("profiles lift-terminal", ""); !strings.Contains(out, "profile: lift-terminal") {
		t.Errorf("%s", out)
	}
	var list []struct {
		Profile, Kind, Protocol string
		Points                  int
	}
	d.object("profiles --json", &list)
	if len(list) < 3 || list[0].Profile == "" || list[0].Kind == "" || list[0].Points == 0 {
		t.Errorf("%+v", list)
	}
}

func TestReadDecodesADevice(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	lift, err := modbussim.New("")
	if err != nil {
		t.Fatal(err)
	}
	defer lift.Close()
	lift.Unit(7).SetLift(modbussim.Lift{Floor: 12})
	lift.Unit(7).SetHolding(200, 0x4276, 0)
	if out := d.says("read --unit 7 --profile lift-terminal --url "+lift.URL(), ""); !strings.Contains(out, "12") || !strings.Contains(out, "good") {
		t.Errorf("%s", out)
	}
	var got []reading
	d.object("read --json --unit 7 --register holding:200:2:float32 --url "+lift.URL(), &got)
	if len(got) != 1 || got[0].Value == nil || *got[0].Value != 61.5 || got[0].Quality != "good" {
		t.Errorf("%+v", got)
	}
	// A register that is not there is a bad reading, never a value.
	d.object("read --json --unit 7 --register holding:9000:1:uint16 --url "+lift.URL(), &got)
	if len(got) != 1 || got[0].Value != nil || got[0].Quality != "bad" || got[0].Reason == "" {
		t.Errorf("%+v", got)
	}
}

func TestOutboxTellsWhatWaits(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	if err := os.MkdirAll(filepath.Join(d.dir, app.OutboxDir), 0o700); err != nil {
		t.Fatal(err)
	}
	box, err := outbox.Open(vfs.OS{}, filepath.Join(d.dir, app.OutboxDir), outbox.Options{
		Clock: clock.NewSystem(), Log: slog.New(slog.DiscardHandler), MinFree: -1, ReserveBytes: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := telemetry.Sample{Key: telemetry.SeriesKey{Device: "lift-1", Metric: "speed"}, AtMS: 7, EdgeMS: 7, Value: 1}
	if err := box.Append(t.Context(), nil, []envelope.Record{{Samples: []telemetry.Sample{s}}}); err != nil {
		t.Fatal(err)
	}
	for _, when := range []string{"beside the daemon", "after it"} {
		var st outbox.Stats
		d.object("outbox --json --data-dir DIR", &st)
		if st.Samples.Records != 1 || st.Alarm.Records != 0 || st.Epoch != box.Epoch() {
			t.Errorf("%s: %+v", when, st)
		}
		if out := d.says("outbox --data-dir DIR", ""); !strings.Contains(out, "samples") || !strings.Contains(out, "epoch "+box.Epoch()) {
			t.Errorf("%s: %s", when, out)
		}
		var l outbox.Line
		if d.object("outbox --records --data-dir DIR", &l); l.Sequence != 1 || len(l.Samples) != 1 || l.Samples[0].Device != "lift-1" {
			t.Errorf("%s: %+v", when, l)
		}
		if when == "beside the daemon" {
			if err := box.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func TestBacktestRunsTheRules(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.write("rules.yaml", "rules:\n  - {id: hot, detector: threshold, metric: t, above: 80, severity: major}\n")
	const in = "timestamp,device,metric,value\n1000,a,t,70\n2000,a,t,90\n"
	const want = "timestamp,device,metric,value,score,finding\n1000,a,t,70,0,\n2000,a,t,90,1,hot\n"
	if got := d.says("backtest --rules DIR/rules.yaml", in); got != want {
		t.Errorf("by pipe: %s", got)
	}
	d.write("in.csv", in)
	d.says("backtest --rules DIR/rules.yaml --in DIR/in.csv --out DIR/out.csv", "")
	if got, err := os.ReadFile(filepath.Join(d.dir, "out.csv")); err != nil || string(got) != want {
		t.Errorf("by file: %s, %v", got, err)
	}
}

func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	dir := filepath.Join(d.dir, "data")
	if err := os.MkdirAll(filepath.Join(dir, app.OutboxDir), 0o700); err != nil {
		t.Fatal(err)
	}
	box, err := outbox.Open(vfs.OS{}, filepath.Join(dir, app.OutboxDir), outbox.Options{
		Clock: clock.NewSystem(), Log: slog.New(slog.DiscardHandler), MinFree: -1, ReserveBytes: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := telemetry.Sample{Key: telemetry.SeriesKey{Device: "lift-1", Metric: "speed"}, AtMS: 7, EdgeMS: 7, Value: 1}
	if err := box.Append(t.Context(), nil, []envelope.Record{{Samples: []telemetry.Sample{s}}}); err != nil {
		t.Fatal(err)
	}
	if out := d.says("backup --data-dir DIR/data DIR/b.tar.gz", ""); !strings.Contains(out, "all that was acknowledged before") {
		t.Errorf("%s", out)
	}
	if err := box.Close(); err != nil {
		t.Fatal(err)
	}
	if out := d.says("restore --data-dir DIR/again DIR/b.tar.gz", ""); !strings.Contains(out, "as it was at") {
		t.Errorf("%s", out)
	}
	var st outbox.Stats
	if d.object("outbox --json --data-dir DIR/again", &st); st.Samples.Records != 1 {
		t.Errorf("%+v", st)
	}
}
