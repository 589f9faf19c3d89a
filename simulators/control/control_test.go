package control_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/simulators/control"
	"github.com/linshao/linshao/simulators/estate"
	"github.com/linshao/linshao/simulators/truth"
)

// still is an estate whose time stands still.
type still struct {
	*estate.Estate
	name string
}

func (s still) Name() string { return s.name }

func (s still) Truth() []truth.Fault {
	var out []truth.Fault
	for _, p := range s.Episodes() {
		out = append(out, truth.Fault{Device: p.Device, Fault: string(p.Fault), FromMS: p.FromMS, ToMS: p.ToMS})
	}
	return out
}

func serve(t *testing.T) (*httptest.Server, map[string]still) {
	t.Helper()
	all := map[string]still{}
	var estates control.Estates
	for name, gate := range map[string]string{"garden": "gate-east-1", "peace": "gate-south-1"} {
		e, err := estate.New(estate.Plan{Devices: []estate.Device{
			{ID: gate, Kind: estate.AccessGate, Location: "东门"}, {ID: "robot-1", Kind: estate.Robot},
		}}, 1, 1000)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = still{e, name}
		estates = append(estates, all[name])
	}
	srv := httptest.NewServer(control.Handler(estates, func() any { return []string{"page"} }))
	t.Cleanup(srv.Close)
	return srv, all
}

func TestInjectBringsAFaultOn(t *testing.T) {
	t.Parallel()
	srv, all := serve(t)
	for _, device := range []string{"gate-east-1", "peace:robot-1"} {
		f := estate.DeviceSilent
		if err := control.Inject(t.Context(), srv.URL, f, device, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if !all["garden"].Silent("gate-east-1") || !all["peace"].Silent("robot-1") || all["garden"].Silent("robot-1") {
		t.Errorf("garden %v, peace %v", all["garden"].Truth(), all["peace"].Truth())
	}
}

func TestInjectSaysWhyNot(t *testing.T) {
	t.Parallel()
	srv, _ := serve(t)
	for _, c := range []struct {
		url, device string
		fault       estate.Fault
		says        string
	}{
		{srv.URL, "lift-9", estate.Entrapment, "no such device"},
		{srv.URL, "robot-1", estate.RobotStuck, "several estates"},
		{srv.URL, "gate-east-1", estate.Entrapment, "cannot have"},
		{"nonsense", "gate-east-1", estate.DoorHeld, "no URL"},
		{"http://127.0.0.1:1", "gate-east-1", estate.DoorHeld, "refused"},
	} {
		err := control.Inject(t.Context(), c.url, c.fault, c.device, 0)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %s: %v, want %q", c.fault, c.device, err, c.says)
		}
	}
}

func TestDevicesTruthAndPagesAreListed(t *testing.T) {
	t.Parallel()
	srv, _ := serve(t)
	if err := control.Inject(t.Context(), srv.URL, estate.DoorForced, "gate-east-1", 0); err != nil {
		t.Fatal(err)
	}
	if got := get(t, srv.URL+"/devices"); !strings.Contains(got, `"location":"东门"`) ||
		!strings.Contains(got, `"now":["door_forced"]`) || !strings.Contains(got, `"door":"open"`) {
		t.Error(got)
	}
	if got := get(t, srv.URL+"/faults"); !strings.Contains(got, `"fault":"door_forced"`) || strings.Contains(got, `"to"`) {
		t.Error(got)
	}
	if got := get(t, srv.URL+"/pages"); got != `{"items":["page"]}` {
		t.Error(got)
	}
}

func TestMendEndsAFault(t *testing.T) {
	t.Parallel()
	srv, all := serve(t)
	if err := control.Inject(t.Context(), srv.URL, estate.DeviceSilent, "gate-east-1", 0); err != nil {
		t.Fatal(err)
	}
	if code := do(t, http.MethodDelete, srv.URL, `{"fault":"device_silent","device":"gate-east-1"}`, "application/json"); code != 204 {
		t.Errorf("status %d", code)
	}
	if all["garden"].Silent("gate-east-1") {
		t.Error("still silent")
	}
}

func TestBadRequestsChangeNothing(t *testing.T) {
	t.Parallel()
	srv, all := serve(t)
	for _, c := range []struct {
		body, kind string
		want       int
	}{
		{`{"fault":"device_silent","device":"gate-east-1"}`, "text/plain", 415},
		{`{"fault":"device_silent","device":"gate-east-1","why":1}`, "application/json", 400},
		{`nonsense`, "application/json", 400},
		{`{"fault":"device_silent","device":"gate-east-1","seconds":-1}`, "application/json", 422},
	} {
		if code := do(t, http.MethodPost, srv.URL, c.body, c.kind); code != c.want {
			t.Errorf("%s as %s: %d, want %d", c.body, c.kind, code, c.want)
		}
	}
	if n := len(all["garden"].Truth()); n != 0 {
		t.Errorf("%d faults began", n)
	}
}

func do(t *testing.T, method, base, body, kind string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, base+"/faults", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", kind)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || !json.Valid(b) {
		t.Fatalf("%v: %s", err, b)
	}
	return strings.TrimSpace(string(b))
}
