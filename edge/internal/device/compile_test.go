package device_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/profiles"
	"github.com/linshao/linshao/protocol/ticket"
)

func shipped(t *testing.T, name string) *device.Profile {
	t.Helper()
	text, err := profiles.Text(name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := device.Compile(name+".yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestEveryShippedProfileCompiles(t *testing.T) {
	t.Parallel()
	for _, name := range profiles.Names() {
		p := shipped(t, name)
		if p.Name != name {
			t.Errorf("%s calls itself %s", name, p.Name)
		}
		if p.Title == "" || p.Source == "" {
			t.Errorf("%s does not say what it is or where its map comes from", name)
		}
		silent := false
		for _, r := range p.Rules {
			silent = silent || r.Detector == device.Stale && r.Fault == ticket.DeviceSilent
			if r.Fault.LifeSafety() && (r.Severity != ticket.Critical || r.For != 0) {
				t.Errorf("%s: %s must be critical and at once", name, r.ID)
			}
		}
		if !silent {
			t.Errorf("%s has no rule for silence", name)
		}
	}
}

// A polled device that rests reports nothing but heartbeats: one of them must
// come well within the time after which it counts as silent.
func TestAQuietDeviceIsNotASilentOne(t *testing.T) {
	t.Parallel()
	for _, name := range profiles.Names() {
		p := shipped(t, name)
		if p.Protocol != device.Modbus {
			continue
		}
		shortest := time.Duration(1 << 62)
		for _, q := range p.Points {
			shortest = min(shortest, q.Heartbeat)
		}
		for _, r := range p.Rules {
			if r.Detector == device.Stale && 2*shortest > r.After {
				t.Errorf("%s: silent after %v, but the shortest heartbeat is %v", name, r.After, shortest)
			}
		}
	}
}

func TestDefaultsAndShortForms(t *testing.T) {
	t.Parallel()
	p, err := device.Compile("m.yaml", []byte(`
profile: meter
kind: meter
protocol: modbus
modbus: {every: 2s}
points:
  - {name: power, register: input, address: 4, type: float32}
  - {name: valve, register: coil, address: 7, enum: {0: shut, 1: open}}
  - {name: leak, register: holding, address: 9, type: bits, bit: 3, latch: true, every: 100ms}
rules:
  - {id: leak, detector: latched, metric: leak, severity: major}
  - {id: open-dry, detector: combination, all: [{metric: valve, equals: open}, {metric: power, below: 1}], severity: minor}
  - {id: hot, detector: threshold, metric: power, above: 5, severity: warning, fault: overload}
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []device.Point{
		{
			Name: "power", JSON: "power", Scale: 1, Register: device.Input, Address: 4, Type: device.Float32,
			Order: device.ABCD, Every: 2 * time.Second, Heartbeat: 5 * time.Minute,
		},
		{
			Name: "valve", JSON: "valve", Scale: 1, Register: device.Coil, Address: 7, Type: device.Bool,
			Order: device.ABCD, Every: 2 * time.Second, Heartbeat: 5 * time.Minute, Enum: device.Enum{0: "shut", 1: "open"},
		},
		{
			Name: "leak", JSON: "leak", Scale: 1, Register: device.Holding, Address: 9, Type: device.Bits,
			Order: device.ABCD, Every: 100 * time.Millisecond, Heartbeat: 5 * time.Minute, Mask: 8, Bit: p.Points[2].Bit,
			Latch: true, LatchHold: device.DefaultLatchHold,
		},
	}
	if d := cmp.Diff(want, p.Points); d != "" {
		t.Error(d)
	}
	if r := p.Rules[0]; r.Fault != "leak" || r.Title != "leak" || r.Kind != "meter" {
		t.Errorf("rule defaults: %+v", r)
	}
	if c := p.Rules[1].All[0]; c.Equals.Word != "" || c.Equals.Number != 1 || !c.Holds(1) || c.Holds(0) {
		t.Errorf("the word was not bound: %+v", c.Equals)
	}
	if r := p.Rules[2]; r.Clear != nil || r.Title != "overload" {
		t.Errorf("threshold defaults: %+v", r)
	}
}

const sound = `profile: lift
kind: elevator
protocol: modbus
modbus: {never_read: [{register: holding, from: 50, to: 60}]}
points:
  - {name: floor, register: holding, address: 2, type: int16, mask: 0xFF00}
  - {name: state, register: input, address: 3, type: uint16, enum: {0: idle, 1: running}}
events:
  - {name: stopped}
rules:
  - {id: hot, detector: threshold, metric: floor, above: 9, severity: major}
`

// Each story changes one thing in a sound file; the answer must name the
// place and the mend.
func TestMistakesNamePlaceAndMend(t *testing.T) {
	t.Parallel()
	if _, err := device.Compile("lift.yaml", []byte(sound)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ from, to, want string }{
		{"kind: elevator", "kin: elevator", "lift.yaml:2:1: unknown key kin; remove it or use one of profile, kind"},
		{"type: int16", "typ: int16", "lift.yaml:6:50: unknown key typ"},
		{"above: 9", "over: 9", "lift.yaml:11:51: unknown key over"},
		{"protocol: modbus", "protocol: knx", `lift.yaml:3:1: protocol "knx" is unknown; write mqtt or modbus`},
		{"address: 2", "address: 70000", "lift.yaml:6:"},
		{"address: 2", "address: two", "lift.yaml:6:"},
		{"address: 2", "address: 55", "lift.yaml:6:38: the point lies in a never_read range"},
		{"register: holding, address", "register: holdin, address", `lift.yaml:6:19: register "holdin" is unknown; write holding, input`},
		{"type: int16", "type: short", `lift.yaml:6:50: type "short" is unknown`},
		{"type: int16", "type: float32", "lift.yaml:6:65: a float32 has no fields"},
		{"mask: 0xFF00", "mask: 0x1FF00", "lift.yaml:6:63: the mask reaches past the value"},
		{"mask: 0xFF00", "order: DABC", `lift.yaml:6:63: order "DABC" is unknown`},
		{"mask: 0xFF00", "mask: 1, bit: 3", "both bit and mask"},
		{"mask: 0xFF00", "bit: 64", "there is no such bit"},
		{"mask: 0xFF00", "bit: 16", "the mask reaches past the value"},
		{"mask: 0xFF00", "latch: true", "a int16 cannot be latched"},
		{"mask: 0xFF00", "latch_hold: 5s", "latch_hold has nothing to hold"},
		{"mask: 0xFF00", "every: 1ms", "every 1ms is out of range"},
		{"mask: 0xFF00", "every: 10m, heartbeat: 1m", "heartbeat 1m0s is shorter than every"},
		{"mask: 0xFF00", "deadband: -1", "deadband -1 is out of range"},
		{"mask: 0xFF00", "scale: .nan", "scale or offset is not a number"},
		{"mask: 0xFF00", "every: soon", "lift.yaml:6:"},
		{"register: input, address: 3, type: uint16", "register: coil, address: 3, type: uint16", "a coil is one bit"},
		{"register: input, address: 3", "register: holding, address: 1, type: uint32, order: ABCD } #", "state overlaps floor"},
		{"address: 3, type: uint16", "address: 65535, type: uint32", "past the last register"},
		{"name: state", "name: floor", `lift.yaml:7:6: point name "floor" is taken`},
		{"name: state", "name: online", `point name "online" is taken`},
		{"name: state", "name: State", `point name "State" is not valid`},
		{"1: running", "1: idle", `the word "idle" stands twice`},
		{"from: 50", "from: 70", "not a range of registers"},
		{"never_read:", "max_registers: 126, never_read:", "max_registers 126 is out of range; write 4 to 125"},
		{"never_read:", "timeout: 1ms, never_read:", "timeout 1ms is out of range"},
		{"{name: stopped}", "{name: STOP}", `event name "STOP" is not valid`},
		{"metric: floor", "metric: flor", "lift.yaml:11:36: lift has no point flor"},
		{"severity: major", "severity: bad", `severity "bad" is unknown; write critical`},
		{"detector: threshold", "detector: magic", `lift.yaml:11:15: detector "magic" is unknown; write threshold`},
		{"above: 9", "fault: cold", "a threshold needs a bound"},
		{"above: 9", "above: 9, below: 1, clear: 5", "clear belongs to one bound"},
		{"above: 9", "above: 9, below: 9", "no value is normal"},
		{"above: 9", "above: 9, clear: 10", "clear 10 lies beyond the bound"},
		{"above: 9", "above: 9, after: 3s", "after means nothing to threshold; remove it; threshold knows metric"},
		{"above: 9", "above: 9, for: -1s", "for -1s is out of range"},
		{"above: 9", "above: 9, kind: gate", "the profile's kind is elevator, the rule's gate"},
		{"threshold, metric: floor, above: 9", "stale", "after 0s is out of range"},
		{"threshold, metric: floor, above: 9", "latched", "name a latched point"},
		{"threshold, metric: floor, above: 9", "event, event: started", `lift has no event "started"`},
		{"threshold, metric: floor, above: 9", "event, event: stopped, clear_event: went", `lift has no event "went"`},
		{"threshold, metric: floor, above: 9", "event, event: stopped, after: -1s", "after -1s is out of range"},
		{"threshold, metric: floor, above: 9", "combination", "there is no condition"},
		{"threshold, metric: floor, above: 9", "combination, all: [{metric: state}]", "a condition has one test, this one has 0"},
		{"threshold, metric: floor, above: 9", "combination, all: [{metric: stat, above: 1}]", `lift has no point "stat"`},
		{
			"threshold, metric: floor, above: 9", "combination, all: [{metric: state, equals: flying}]",
			"lift.yaml:11:60: state has no value named flying; use a number or one of idle, running",
		},
		{"rules:", "rules: [", "lift.yaml:"},
	} {
		text := strings.Replace(sound, c.from, c.to, 1)
		if text == sound {
			t.Fatalf("%q is not in the file", c.from)
		}
		_, err := device.Compile("lift.yaml", []byte(text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s → %s:\n got %v\nwant %s", c.from, c.to, err, c.want)
		}
	}
}

func TestAllMistakesAtOnceInOrder(t *testing.T) {
	t.Parallel()
	text := strings.NewReplacer(": int16", ": short", "elevator", "Lift!", "severity: major", "severity: bad").Replace(sound)
	_, err := device.Compile("lift.yaml", []byte(text))
	var ps device.Problems
	if !errors.As(err, &ps) {
		t.Fatalf("got %v", err)
	}
	var lines []string
	for _, p := range ps {
		lines = append(lines, fmt.Sprint(p.Line))
	}
	if got := strings.Join(lines, " "); got != "2 6 11" {
		t.Errorf("problems on lines %s:\n%v", got, err)
	}
}

func TestAnMQTTProfileHasNoRegisters(t *testing.T) {
	t.Parallel()
	_, err := device.Compile("g.yaml", []byte("profile: g\nkind: g\nprotocol: mqtt\npoints:\n  - {name: door, register: holding}\n"))
	if err == nil || !strings.Contains(err.Error(), "g.yaml:5:18: register is only for modbus") {
		t.Errorf("got %v", err)
	}
}

func TestRulesOfTheEstate(t *testing.T) {
	t.Parallel()
	f := func(v float64) *float64 { return &v }
	d := device.Device{ID: "gate-1", Kind: "access-gate", Profile: shipped(t, "access-gate")}
	estate := []device.Rule{
		{ID: "motor-hot", Device: "gate-1", Metric: "motor_temp", Detector: device.Threshold, Above: f(70), Severity: ticket.Minor},
		{ID: "motor-hot", Kind: "access-gate", Metric: "motor_temp", Detector: device.Threshold, Above: f(75), Severity: ticket.Minor},
		{ID: "volts", Metric: "supply_voltage", Detector: device.Threshold, Below: f(10), Severity: ticket.Minor},
		{ID: "tilted", Metric: "tilt", Detector: device.Threshold, Above: f(10), Severity: ticket.Minor},
		{ID: "any", Device: "*", Kind: "*", Metric: "*", Detector: device.Threshold, Above: f(1e6), Severity: ticket.Warning},
		{ID: "other", Kind: "elevator", Metric: "floor", Detector: device.Threshold, Above: f(10), Severity: ticket.Minor},
		{ID: "wrong", Device: "gate-1", Metric: "floor", Detector: device.Threshold, Above: f(10), Severity: ticket.Minor},
	}
	rules, ms := d.RulesOf(estate)
	byID := map[string][]device.Rule{}
	for _, r := range rules {
		byID[r.ID] = append(byID[r.ID], r)
	}
	if hot := byID["motor-hot"]; len(hot) != 1 || *hot[0].Above != 70 {
		t.Errorf("the rule that names the device does not win: %+v", hot)
	}
	if len(byID["volts"]) != 1 || len(byID["tilted"]) != 0 || len(byID["other"]) != 0 || len(byID["forced"]) != 1 || len(byID["any"]) != 1 {
		t.Errorf("wrong set of rules: %v", byID)
	}
	if len(ms) != 1 || ms[0].Path[0] != 6 || !strings.Contains(ms[0].What, "gate-1") {
		t.Errorf("mistakes: %+v", ms)
	}
	if len(d.Profile.Rules) != len(shipped(t, "access-gate").Rules) {
		t.Error("the profile itself was changed")
	}
}

// An estate sharpens a rule of the profile; it is still the same fault.
func TestARuleOfTheEstateSpeaksOfTheSameFault(t *testing.T) {
	t.Parallel()
	d := device.Device{ID: "gate-1", Kind: "access-gate", Profile: shipped(t, "access-gate")}
	above := 70.0
	rules, ms := d.RulesOf([]device.Rule{
		{ID: "forced", Kind: "access-gate", Event: "door_forced_open", Detector: device.OnEvent, Severity: ticket.Major},
		{ID: "hotter", Kind: "access-gate", Metric: "motor_temp", Detector: device.Threshold, Above: &above, Severity: ticket.Major},
		{ID: "named", Kind: "access-gate", Event: "tamper_alarm", Detector: device.OnEvent, Severity: ticket.Major, Fault: "vandalism"},
		{ID: "volts", Kind: "access-gate", Metric: "supply_voltage", Detector: device.Threshold, Above: &above, Severity: ticket.Minor},
	})
	want := map[string]ticket.Fault{"forced": ticket.DoorForced, "hotter": ticket.Overheat, "named": "vandalism", "volts": "volts"}
	for _, r := range rules {
		if fault, ours := want[r.ID]; ours && r.Fault != fault {
			t.Errorf("%s is about %q, want %q", r.ID, r.Fault, fault)
		}
	}
	if len(ms) > 0 {
		t.Errorf("mistakes: %+v", ms)
	}
}
