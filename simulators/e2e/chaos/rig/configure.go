package rig

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/linshao/linshao/simulators/e2e/daemon"
)

const secret = "a-device-secret"

// liftProfile is a lift that says by itself that somebody is trapped: an event
// is told at an instant that the harness knows, a polled register is not.
const liftProfile = `profile: chaos-lift
kind: elevator
protocol: mqtt
title: lift
source: the chaos rows
points: [{name: door}]
events: [{name: passenger_trapped, title: trapped}, {name: passenger_freed, title: freed}]
rules:
  - {id: entrapment, detector: event, event: passenger_trapped, clear_event: passenger_freed, severity: critical, fault: entrapment}
`

const gateProfile = `profile: chaos-gate
kind: access-gate
protocol: mqtt
title: gate
source: the chaos rows
points: [{name: door}]
events: [{name: door_forced_open, title: forced}, {name: door_closed, title: closed}]
rules:
  - {id: forced, detector: event, event: door_forced_open, clear_event: door_closed, severity: major, fault: door_forced}
`

func (w *Town) configureCloud() {
	cfg := w.write("cloud.yaml", fmt.Sprintf("data_dir: %s\nhttp: {listen: %s, public_url: %s}\nmqtt: {listen: %s}\n%s",
		w.CloudData, host(w.API.Base), w.API.Base, w.CloudMQTT, w.o.CloudExtra))
	w.exec("linshao-cloud", "import", "--config", cfg, w.write("plan.yaml", w.plan()))
	token := strings.Fields(w.exec("linshao-cloud", "token", "create", "--config", cfg, "--name", "rig", "--role", "admin"))
	w.API.Token = token[len(token)-1]
	w.Cloud = daemon.New(w.t, daemon.Spec{
		Name: "cloud", Dir: w.Dir, Bin: daemon.Bin(w.t, w.o.bin("linshao-cloud")), URL: w.API.Base,
		Args: []string{"serve", "--config", cfg, "--log-format", "text"},
		Env:  w.o.CloudEnv, Wrap: w.o.CloudWrap,
	})
}

// plan has, in each estate, a patrol on duty with its leader, a manager, a
// desk and a maintainer, all reachable by webhook.
func (w *Town) plan() string {
	var estates, staff, rosters, policies strings.Builder
	for _, e := range w.Estates {
		fmt.Fprintf(&estates, "  - {id: %s, name: %s, timezone: Asia/Shanghai, edges: [{id: %s}]}\n", e.ID, e.ID, e.edge())
		for _, post := range []string{"patrol", "leader", "manager", "desk", "maintainer"} {
			id := post + "-" + e.ID
			role := strings.Replace(post, "leader", "patrol", 1)
			fmt.Fprintf(&staff, "  - {id: %s, name: %s, estate: %s, post: %s, party_member: true, vanguard: %t, channels: [{kind: webhook, url: \"%s/%s\", secret: s3cret}]}\n",
				id, id, e.ID, role, post == "patrol", w.Pager.URL(), id)
		}
		fmt.Fprintf(&rosters, "  - {id: always-%s, estate: %s, shifts: [{from: \"00:00\", to: \"24:00\", days: [mon, tue, wed, thu, fri, sat, sun], staff: [patrol-%s, leader-%s], leader: leader-%s}]}\n",
			e.ID, e.ID, e.ID, e.ID, e.ID)
		fmt.Fprintf(&policies, "  - {id: default-%s, estate: %s, match: {severity: [critical, major]}, steps: [%s]}\n", e.ID, e.ID, w.o.Steps)
	}
	return "estates:\n" + estates.String() + "staff:\n" + staff.String() + "rosters:\n" + rosters.String() + "policies:\n" + policies.String()
}

func (e *Estate) edge() string { return e.ID + "-edge" }

func (w *Town) configureEdge(e *Estate) {
	uplink := w.exec("linshao-cloud", "edge-credential", "create", "--config", w.path("cloud.yaml"), "--estate", e.ID, "--edge", e.edge())
	var logins, devices strings.Builder
	add := func(id, profile string) {
		fmt.Fprintf(&logins, "    - {id: %s, password: %s}\n", id, secret)
		fmt.Fprintf(&devices, "  - {id: %s, profile: %s}\n", id, profile)
	}
	for i := range w.o.Meters {
		add(meter(i), "chaos-meter")
	}
	for _, id := range e.lifts.all {
		add(id, "chaos-lift")
	}
	for _, id := range e.gates.all {
		add(id, "chaos-gate")
	}
	w.write(e.ID+".yaml", fmt.Sprintf("estate: %s\nedge: %s\ndata_dir: %s\nhttp: {listen: %s}\nprofiles_dir: %s\nmqtt:\n  listen: %s\n  devices:\n%s%s\ndevices:\n%s\n%s",
		e.ID, e.edge(), e.Data, host(e.Edge.Spec.URL), w.profiles(), e.MQTT, logins.String(),
		strings.ReplaceAll(uplink, w.CloudMQTT, e.WAN.Addr()), devices.String(), w.o.EdgeExtra))
}

// profiles writes the device profiles and returns their folder.
func (w *Town) profiles() string {
	dir := w.path("profiles")
	w.must(os.MkdirAll(dir, 0o700))
	var points strings.Builder
	for i := range w.o.Metrics {
		fmt.Fprintf(&points, "  - {name: %s}\n", metric(i))
	}
	w.write(filepath.Join("profiles", "meter.yaml"), "profile: chaos-meter\nkind: meter\nprotocol: mqtt\ntitle: meter\nsource: the chaos rows\npoints:\n"+points.String())
	w.write(filepath.Join("profiles", "lift.yaml"), liftProfile)
	w.write(filepath.Join("profiles", "gate.yaml"), gateProfile)
	return dir
}

func (w *Town) write(name, text string) string {
	w.t.Helper()
	p := w.path(name)
	w.must(os.WriteFile(p, []byte(text), 0o600))
	return p
}

// exec runs a command of the town's own binaries to its end and returns its
// output.
func (w *Town) exec(bin string, args ...string) string {
	w.t.Helper()
	cmd := exec.Command(daemon.Bin(w.t, w.o.bin(bin)), args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("%s %s: %v\n%s%s", bin, strings.Join(args, " "), err, &out, &errs)
	}
	return out.String()
}

func meter(i int) string  { return fmt.Sprintf("meter-%d", i) }
func metric(i int) string { return fmt.Sprintf("m%d", i) }
