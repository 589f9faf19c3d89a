package mqtt

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/telemetry"
)

const now = int64(1_732_269_600_123)

var gate = device.Device{ID: "gate-east-1", Kind: "access-gate", Profile: &device.Profile{Points: []device.Point{
	{Name: "door", Enum: device.Enum{0: "closed", 1: "open"}},
	{Name: "locked", Enum: device.Enum{0: "unlocked", 1: "locked"}},
	{Name: "motor_temp", Unit: "°C"},
	{Name: "supply_voltage", JSON: "u", Scale: 0.1, Offset: 1},
}}}

// brief is what a Sample says, without its key and edge time.
type brief struct {
	Metric string
	AtMS   int64
	Value  any // number, text, or the reason why there is none
}

func briefs(samples []telemetry.Sample) []brief {
	var out []brief
	for _, s := range samples {
		b := brief{Metric: s.Key.Metric, AtMS: s.AtMS, Value: s.Value}
		if s.Text != "" {
			b.Value = s.Text
		}
		if s.Quality != telemetry.Good {
			b.Value = fmt.Sprint(s.Quality, ":", s.Reason, ":", s.Text)
		}
		if s.Marks.Has(telemetry.ReceiveTime) {
			b.Metric += " (receive time)"
		}
		out = append(out, b)
	}
	return out
}

func TestTelemetryForms(t *testing.T) {
	t.Parallel()
	const ts = now - 5000
	stamped := fmt.Sprintf(`{"ts": %d, "values": {"door": "open", "motor_temp": 61.5, "locked": true}}`, ts)
	for _, c := range []struct {
		name, payload string
		want          []brief
	}{
		{"with a time", stamped, []brief{{"door", ts, 1.0}, {"motor_temp", ts, 61.5}, {"locked", ts, 1.0}}},
		{"bare", `{"motor_temp": 61.5}`, []brief{{"motor_temp (receive time)", now, 61.5}}},
		{"bare, with a time", fmt.Sprintf(`{"motor_temp": 61.5, "ts": %d}`, ts), []brief{{"motor_temp", ts, 61.5}}},
		{"array of both", "[" + stamped[:len(stamped)-1] + `}, {"door": "closed"}]`, []brief{
			{"door", ts, 1.0}, {"motor_temp", ts, 61.5}, {"locked", ts, 1.0}, {"door (receive time)", now, 0.0},
		}},
		{"booleans are 0 and 1", `{"locked": false, "door": true}`, []brief{{"locked (receive time)", now, 0.0}, {"door (receive time)", now, 1.0}}},
		{"scaled, under its name in the payload", `{"u": 230}`, []brief{{"supply_voltage (receive time)", now, 24.0}}},
		{"text without an enum", `{"motor_temp": "hot"}`, []brief{{"motor_temp (receive time)", now, "hot"}}},
		{"a word the enum lacks", `{"door": "ajar"}`, []brief{{"door (receive time)", now, "uncertain:unknown_word:ajar"}}},
		{"no value, never a made-up one", `{"door": null, "locked": [1], "motor_temp": {"a": 1}, "x": 1e999}`, []brief{
			{"door (receive time)", now, "bad:null:"},
			{"locked (receive time)", now, "bad:wrong_type:"},
			{"motor_temp (receive time)", now, "bad:wrong_type:"},
			{"x (receive time)", now, "bad:not_finite:"},
		}},
		{"a metric the profile lacks", `{"humidity": 40}`, []brief{{"humidity (receive time)", now, 40.0}}},
		{"a time too old to believe", `{"ts": 5, "values": {"door": 1}}`, []brief{{"door (receive time)", now, 1.0}}},
		{"a time that is none", `{"ts": "noon", "values": {"door": 1}}`, []brief{{"door (receive time)", now, 1.0}}},
	} {
		got, dropped, err := newCodec(gate).telemetry([]byte(c.payload), now)
		if err != nil || dropped != 0 {
			t.Errorf("%s: %v, %d dropped", c.name, err, dropped)
		}
		if diff := cmp.Diff(c.want, briefs(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		for _, s := range got {
			if s.Key.Device != gate.ID || s.Key.Kind != gate.Kind || s.EdgeMS != now {
				t.Errorf("%s: %+v", c.name, s)
			}
		}
	}
}

func TestAnUnbelievableTimeIsKeptBesideTheReceiveTime(t *testing.T) {
	t.Parallel()
	got, _, err := newCodec(gate).telemetry([]byte(`{"ts": 4102444800000, "values": {"door": 1}}`), now)
	if err != nil || got[0].DeviceMS != 4102444800000 || got[0].AtMS != now {
		t.Errorf("%v: %+v", err, got)
	}
}

func TestUnusableTelemetry(t *testing.T) {
	t.Parallel()
	many := make([]string, limit.MaxSamplesPerMessage+1)
	for i := range many {
		many[i] = `{"door":1}`
	}
	for payload, want := range map[string]error{
		"": errNotJSON, "nope": errNotJSON, "{": errNotJSON, `{"a":1}{"b":2}`: errNotJSON, "\x00\x01": errNotJSON,
		"1": errForm, `"on"`: errForm, "null": errForm, `[1]`: errForm, `[[{"door":1}]]`: errForm, `{"values": 3}`: errForm,
		"{}": errEmpty, "[]": errEmpty, `{"ts": 5}`: errEmpty, `{"values": {}}`: errEmpty, "[{}]": errEmpty,
		"[" + strings.Join(many, ",") + "]": errTooMany,
		strings.Repeat("[", 100_000):        errNotJSON,
	} {
		got, _, err := newCodec(gate).telemetry([]byte(payload), now)
		if !errors.Is(err, want) || got != nil {
			t.Errorf("%.40q: %v, %d samples", payload, err, len(got))
		}
	}
}

func TestNamesOfADeviceAreBounded(t *testing.T) {
	t.Parallel()
	c := newCodec(gate)
	for i := range 2 * maxUnknown {
		_, dropped, err := c.telemetry(fmt.Appendf(nil, `{"m%d": 1}`, i), now)
		if want := i >= maxUnknown; err != nil || (dropped == 1) != want {
			t.Fatalf("name %d: %d dropped, %v", i, dropped, err)
		}
	}
	got, dropped, err := c.telemetry([]byte(`{"door": 1, "m1": 2, "no way": 3, "": 4, "温度": 5, "online": 1}`), now)
	if err != nil || len(got) != 2 || dropped != 4 {
		t.Errorf("%d samples, %d dropped, %v", len(got), dropped, err)
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	c := newCodec(gate)
	const ts = now - 700
	got, dropped, err := c.events(fmt.Appendf(nil, `[{"ts": %d, "event": "door_forced_open", "data": {"by": "crowbar", "n": [1]}}, {"event": "duress"}]`, ts), now)
	want := []telemetry.Event{
		{Device: gate.ID, Kind: gate.Kind, Name: "door_forced_open", AtMS: ts, DeviceMS: ts, EdgeMS: now, Data: []byte(`{"by":"crowbar","n":[1]}`)},
		{Device: gate.ID, Kind: gate.Kind, Name: "duress", AtMS: now, EdgeMS: now, Marks: telemetry.ReceiveTime},
	}
	if diff := cmp.Diff(want, got); diff != "" || dropped != 0 || err != nil {
		t.Errorf("%v, %d dropped\n%s", err, dropped, diff)
	}
}

func TestAnEventSurvivesDataThatIsTooLarge(t *testing.T) {
	t.Parallel()
	payload := `{"event": "duress", "data": {"x": "` + strings.Repeat("y", limit.MaxEventDataBytes) + `"}}`
	got, dropped, err := newCodec(gate).events([]byte(payload), now)
	if err != nil || len(got) != 1 || got[0].Data != nil || dropped != 1 {
		t.Errorf("%v, %d dropped, %+v", err, dropped, got)
	}
}

func TestUnusableEvents(t *testing.T) {
	t.Parallel()
	for payload, want := range map[string]error{
		"x": errNotJSON, "1": errForm, "[]": errEmpty, "{}": errEventName, `{"event": 1}`: errEventName, `{"event": "a b"}`: errEventName,
		`[{"event": "ok"}, 5]`: errForm, `{"event": "` + strings.Repeat("x", 65) + `"}`: errEventName,
	} {
		if got, _, err := newCodec(gate).events([]byte(payload), now); !errors.Is(err, want) || got != nil {
			t.Errorf("%q: %v, %v", payload, err, got)
		}
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	c := newCodec(gate)
	if ok, why, err := c.result([]byte(`{"ok": true}`)); !ok || why != "" || err != nil {
		t.Error(ok, why, err)
	}
	if ok, why, err := c.result([]byte(`{"ok": false, "error": "motor blocked"}`)); ok || why != "motor blocked" || err != nil {
		t.Error(ok, why, err)
	}
	for _, payload := range []string{"", "{}", `{"ok": 1}`, "[]"} {
		if _, _, err := c.result([]byte(payload)); err == nil {
			t.Errorf("%q accepted", payload)
		}
	}
}

func TestTextIsCutAtARune(t *testing.T) {
	t.Parallel()
	for _, s := range []string{strings.Repeat("门", 2000), strings.Repeat("x", limit.MaxTextBytes-1) + "门", "a\xff", ""} {
		got := text([]byte(s))
		if !utf8.ValidString(got) || len(got) > limit.MaxTextBytes+2 || strings.Contains(s, "门") && strings.Contains(got, "\uFFFD") {
			t.Errorf("%.10q… became %d bytes", s, len(got))
		}
	}
}

// FuzzTelemetry holds the decoder to what it says about any payload at all.
func FuzzTelemetry(f *testing.F) {
	for _, s := range []string{
		`{"ts":1732269600123,"values":{"door":"open","motor_temp":61.5,"locked":true}}`, `[{"a":1},{"ts":2,"values":{"b":null}}]`,
		`{"x":nan,"y":-inf,"z":1e999}`, `{"event":"duress","data":{"a":"\ud800"}}`, `{"ok":false,"error":"\u0000"}`, "[[[[",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		c := newCodec(gate)
		samples, _, err := c.telemetry(payload, now)
		if err == nil && !json.Valid(payload) {
			// The parser is more lenient than the standard; what it takes
			// must still be sound, below.
			t.Skip()
		}
		if json.Valid(payload) && errors.Is(err, errNotJSON) && len(payload) < 300 {
			t.Errorf("valid JSON refused")
		}
		for _, s := range samples {
			sound := s.Key.Metric != "" && s.Key.Device == gate.ID && utf8.ValidString(s.Text) && len(s.Text) <= limit.MaxTextBytes+2
			if !sound || math.IsNaN(s.Value) || math.IsInf(s.Value, 0) || s.Quality == telemetry.Bad && (s.Value != 0 || s.Reason == "") {
				t.Errorf("unsound: %+v", s)
			}
		}
		events, _, _ := c.events(payload, now)
		for _, e := range events {
			if e.Name == "" || len(e.Data) > limit.MaxEventDataBytes {
				t.Errorf("unsound: %+v", e)
			}
		}
		_, _, _ = c.result(payload)
	})
}

// message has 10 values in 200 bytes.
var message = []byte(`{"ts": 1732269600123, "values": {"door": "open", "motor_temp": 61.5, "locked": true, "u": 2301, "passages": 18231, "tamper": false, "humidity": 41.25, "lux": 300, "door_mode": 2, "signal_dbm": -71}}`)

// BenchmarkTelemetry decodes message into Samples. Budget: 1 µs and two
// allocations, where BenchmarkStandardLibrary takes 3.1 µs.
func BenchmarkTelemetry(b *testing.B) {
	c := newCodec(gate)
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := c.telemetry(message, now); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStandardLibrary only parses, as the measure of the machine.
func BenchmarkStandardLibrary(b *testing.B) {
	b.SetBytes(int64(len(message)))
	b.ReportAllocs()
	for b.Loop() {
		var m struct {
			TS     int64          `json:"ts"`
			Values map[string]any `json:"values"`
		}
		if err := json.Unmarshal(message, &m); err != nil {
			b.Fatal(err)
		}
	}
}

func TestTelemetryAllocatesTwiceAtMost(t *testing.T) {
	payload := []byte(`{"ts": 1732269600123, "values": {"door": "open", "motor_temp": 61.5, "locked": true}}`)
	c := newCodec(gate)
	if n := testing.AllocsPerRun(100, func() { _, _, _ = c.telemetry(payload, now) }); n > 2 {
		t.Errorf("%v allocations", n)
	}
}
