package modbus

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/profiles"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/simulators/modbussim"
)

func shipped(t testing.TB, name string) *device.Profile {
	t.Helper()
	text, err := profiles.Text(name)
	if err != nil {
		t.Fatal(err)
	}
	p, err := device.Compile(name, text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// image reads testdata/lift.txt: registers into u, and the values to expect.
func image(t *testing.T, u *modbussim.Unit) []string {
	t.Helper()
	f, err := os.Open("testdata/lift.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var want []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		w := strings.Fields(lines.Text())
		switch {
		case len(w) == 0 || w[0] == "#":
		case w[0] == "holding":
			u.SetHolding(0, words(t, w[2:])...)
		case w[0] == "input":
			u.SetInput(100, words(t, w[2:])...)
		default:
			want = append(want, lines.Text())
		}
	}
	return want
}

func words(t *testing.T, hex []string) []uint16 {
	t.Helper()
	out := make([]uint16, len(hex))
	for i, h := range hex {
		v, err := strconv.ParseUint(h, 16, 16)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = uint16(v)
	}
	return out
}

func TestTheShippedLiftProfileOnARecordedImage(t *testing.T) {
	t.Parallel()
	server := serve(t)
	want := image(t, server.Unit(0xF7))
	e := device.Endpoint{URL: server.URL(), Unit: 0xF7}
	readings, err := ReadOnce(t.Context(), clock.NewSystem(), e, shipped(t, "lift-terminal"), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range readings {
		if r.Quality != telemetry.Good {
			t.Errorf("%s: %v %s", r.Point.Name, r.Quality, r.Reason)
		}
		got = append(got, fmt.Sprintf("%s %v", r.Point.Name, r.Value))
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if n := server.Unit(0xF7).Requests(); n > 5 {
		t.Errorf("%d requests for one look at a lift", n)
	}
}

// What the simulation sets is what the profile reads.
func TestTheSimulatedLiftFitsTheProfile(t *testing.T) {
	t.Parallel()
	server := serve(t)
	server.Unit(1).SetLift(modbussim.Lift{
		Faults: 0x401, Level: true, DoorOpen: true, Person: true, Inspection: true, Floor: 7, SpeedMS: 2.5,
		DoorOpenings: 9, FloorsTravelled: 1 << 17, Acceleration: 0.8, RunSeconds: 12, VibrationX: 4, NoiseDB: 51, FloorsAbove: 18, MotorC: 84.5,
	})
	readings, err := ReadOnce(t.Context(), clock.NewSystem(), device.Endpoint{URL: server.URL(), Unit: 1}, shipped(t, "lift-terminal"), nil)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, r := range readings {
		got[r.Point.Name] = r.Value
		if r.Point.Name == "door" && r.Word != "open" {
			t.Errorf("the door is %q", r.Word)
		}
	}
	for name, want := range map[string]float64{
		"fault_bits": 0x401, "trapped": 1, "trapped_level": 1, "door_held": 1, "at_level": 1, "door": 1, "person": 1, "inspection": 1,
		"floor": 7, "speed": 2.5, "door_openings": 9, "floors_travelled": 1 << 17, "acceleration": 0.8,
		"run_seconds": 12, "vibration_x": 4, "noise": 51, "set_floors_above": 18, "motor_temp": 84.5, "set_trapped_level": 90,
	} {
		if got[name] != want {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
}

func TestReadOnceTellsWhatItCouldNotRead(t *testing.T) {
	t.Parallel()
	server := serve(t)
	server.Unit(1).SetHolding(0, make([]uint16, 19)...)
	e := device.Endpoint{URL: server.URL(), Unit: 1}
	readings, err := ReadOnce(t.Context(), clock.NewSystem(), e, shipped(t, "lift-terminal"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range readings {
		if bad := r.Quality == telemetry.Bad; bad != (r.Point.Name == "motor_temp") {
			t.Errorf("%s: %v %s", r.Point.Name, r.Quality, r.Reason)
		}
	}
	if err := server.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadOnce(t.Context(), clock.NewSystem(), e, shipped(t, "lift-terminal"), nil); reasonOf(err) != "refused" {
		t.Errorf("nobody there: %v", err)
	}
}

func TestParseRegisters(t *testing.T) {
	t.Parallel()
	server := serve(t)
	server.Unit(1).SetHolding(100, 0, 0x4276)
	server.Unit(1).SetDiscrete(5, true, false)
	for in, want := range map[string]string{
		"holding:100:2:float32:CDAB": "r100=61.5 ",
		"holding:0x64:2:uint16":      "r100=0 r101=17014 ",
		"discrete:5:2:bool":          "r5=1 r6=0 ",
	} {
		p, err := ParseRegisters(in)
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		readings, err := ReadOnce(t.Context(), clock.NewSystem(), device.Endpoint{URL: server.URL(), Unit: 1}, p, nil)
		got := ""
		for _, r := range readings {
			got += fmt.Sprintf("%s=%v ", r.Point.Name, r.Value)
		}
		if got != want || err != nil {
			t.Errorf("%s: %s (%v)", in, got, err)
		}
	}
	for in, want := range map[string]string{
		"holding:100":              "four or five parts",
		"holding:100:3:float32":    "takes 2 registers each",
		"holding:100:0:uint16":     "takes 1 registers each",
		"holding:99999:1:uint16":   "0 to 65535",
		"holding:65535:2:uint16":   "past the last register",
		"holding:1:1:short":        "type is unknown",
		"shelf:1:1:uint16":         "register \"shelf\" is unknown",
		"holding:1:1:uint16:AB":    "order \"AB\" is unknown",
		"coil:1:2:float32":         "a coil is one bit",
		"holding:1:1:uint16:ABCD:": "four or five parts",
	} {
		if _, err := ParseRegisters(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", in, err)
		}
	}
}

func serve(t testing.TB) *modbussim.Server {
	t.Helper()
	server, err := modbussim.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return server
}

// The whole terminal through the driver: what is asked fits what is promised.
func TestPollingALiftIsCheap(t *testing.T) {
	t.Parallel()
	tell(t, shipped(t, "lift-terminal"), 1, func(s *story) {
		s.server.Unit(1).SetLift(modbussim.Lift{MotorC: 40})
		s.pass(time.Minute)
		s.forget()
		before := s.server.Unit(1).Requests()
		s.pass(time.Minute)
		// 600 for the fault bits, 60 each for the state and the probe, 6 for counters.
		if n := s.server.Unit(1).Requests() - before; n > 730 {
			t.Errorf("%d requests a minute", n)
		}
		// At rest only heartbeats are said: 6 of the fault bits, 1 of the probe.
		if n := len(s.samples); n > 10 {
			t.Errorf("%d samples a minute from a lift at rest", n)
		}
	})
}
