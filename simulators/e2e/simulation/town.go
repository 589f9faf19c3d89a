package simulation

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	cloud "github.com/linshao/linshao/cloud/app"
	"github.com/linshao/linshao/protocol/envelope"
)

// mostEdges is how many estates the town has; each has one edge. A run may let
// some of them sleep.
const mostEdges = 3

// Addresses in the simulated network.
const (
	cloudHTTP = "127.0.0.1:8080"
	cloudMQTT = "127.0.0.1:1884"
	pagerAddr = "127.0.0.1:9000"
)

// box is a profile with what the simulation needs: values that nobody judges,
// and two conditions that begin and end by events.
const box = `profile: sim-box
kind: elevator
protocol: mqtt
title: 模拟设备
source: Linshao's simulation
points:
  - {name: v0, title: 值}
events:
  - {name: passenger_trapped, title: 困人}
  - {name: passenger_freed, title: 已解困}
  - {name: door_forced_open, title: 强行开门}
  - {name: door_closed, title: 门已关}
rules:
  - {id: trapped, detector: event, event: passenger_trapped, clear_event: passenger_freed, severity: critical, fault: entrapment}
  - {id: forced, detector: event, event: door_forced_open, clear_event: door_closed, severity: major, fault: door_forced}
`

// Town is the installation that every run starts from: configurations, and a
// cloud's data directory with people, plans and credentials in it.
type Town struct {
	dir   string
	token string
}

// NewTown prepares an installation in dir. It must not be called in a bubble.
func NewTown(ctx context.Context, dir string) (*Town, error) {
	if err := warmUp(); err != nil {
		return nil, err
	}
	t := &Town{dir: dir}
	if err := os.MkdirAll(filepath.Join(dir, "profiles"), 0o700); err != nil {
		return nil, err
	}
	if err := t.write(filepath.Join("profiles", "sim-box.yaml"), box); err != nil {
		return nil, err
	}
	if err := t.write("cloud.yaml", t.cloudYAML(t.path("template"))); err != nil {
		return nil, err
	}
	a, err := cloud.OpenAdmin(ctx, cloud.Options{ConfigPath: t.path("cloud.yaml"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return nil, err
	}
	defer func() { _ = a.Close() }()
	if _, err := a.Import(ctx, cloud.ImportRequest{File: "plan.yaml", Text: plan()}); err != nil {
		return nil, fmt.Errorf("import the plan: %w", err)
	}
	if t.token, err = a.CreateToken(ctx, cloud.TokenRequest{Name: "sim", Role: "admin"}); err != nil {
		return nil, err
	}
	for i := range mostEdges {
		u, err := a.CreateCredential(ctx, cloud.CredentialRequest{Estate: estate(i), Edge: edgeID(i)})
		if err != nil {
			return nil, err
		}
		if err := t.write(edgeID(i)+".yaml", edgeYAML(i, t.path("profiles"), u)); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// warmUp has what a process makes once made outside of any bubble: a channel
// that was made in one must not be used in the next.
func warmUp() error {
	wire, err := envelope.Encode(envelope.Envelope{Estate: estate(0), Edge: edgeID(0), Lane: envelope.LaneLive, Log: envelope.Samples})
	if err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	if _, err := envelope.Decode(wire); err != nil {
		return fmt.Errorf("warm up: %w", err)
	}
	return nil
}

func (t *Town) path(name string) string { return filepath.Join(t.dir, name) }

func (t *Town) write(name, text string) error {
	return os.WriteFile(t.path(name), []byte(text), 0o600)
}

func (t *Town) cloudYAML(dataDir string) string {
	return fmt.Sprintf("data_dir: %s\nhttp: {listen: %q, public_url: \"http://%s\"}\nmqtt: {listen: %q}\n", dataDir, cloudHTTP, cloudHTTP, cloudMQTT)
}

func estate(i int) string { return fmt.Sprintf("estate-%d", i) }
func edgeID(i int) string { return fmt.Sprintf("edge-%d", i) }

func edgeMQTT(i int) string { return fmt.Sprintf("127.0.0.1:%d", 19_000+i) }

func edgeYAML(i int, profiles string, u cloud.Uplink) string {
	var b strings.Builder
	// JSON is YAML: whatever is in the password is quoted right.
	secret, _ := json.Marshal(u.Password)
	fmt.Fprintf(&b, `estate: %s
edge: %s
data_dir: /edge
http: {listen: "127.0.0.1:%d"}
outbox: {max_bytes: 32MiB, min_free: 0}
profiles_dir: %s
uplink: {url: "mqtt://%s", username: %q, password: %s}
`, estate(i), edgeID(i), 18_000+i, profiles, cloudMQTT, u.Username, secret)
	fmt.Fprintf(&b, "mqtt:\n  listen: %q\n  devices:\n", edgeMQTT(i))
	for d := range mostDevices {
		fmt.Fprintf(&b, "    - {id: %s, password: secret-%d}\n", deviceID(d), d)
	}
	b.WriteString("devices:\n")
	for d := range mostDevices {
		fmt.Fprintf(&b, "  - {id: %s, profile: sim-box}\n", deviceID(d))
	}
	return b.String()
}

// mostDevices is how many an edge knows.
const mostDevices = 12

func deviceID(d int) string { return fmt.Sprintf("box-%d", d) }

// Escalation of the plan.
const (
	leaderAfterS  = 120
	managerAfterS = 300
)

// plan is what the operator imports: each estate has somebody on duty round the
// clock, a leader, a manager, a desk and a maintainer, all with a webhook.
func plan() string {
	var estates, staff, rosters, policies strings.Builder
	for i := range mostEdges {
		e := estate(i)
		fmt.Fprintf(&estates, "  - {id: %s, name: %s, timezone: Asia/Shanghai, edges: [{id: %s}]}\n", e, e, edgeID(i))
		for _, p := range []struct{ role, post string }{
			{"duty", "patrol"}, {"leader", "patrol"}, {"manager", "manager"}, {"desk", "desk"}, {"fixer", "maintainer"},
		} {
			fmt.Fprintf(&staff, "  - {id: %s-%d, name: %s-%d, estate: %s, post: %s, channels: [{kind: webhook, url: \"http://%s/%s-%d\", secret: s3cret}]}\n",
				p.role, i, p.role, i, e, p.post, pagerAddr, p.role, i)
		}
		fmt.Fprintf(&rosters, "  - {id: always-%d, estate: %s, shifts: [{from: \"00:00\", to: \"24:00\", days: [mon, tue, wed, thu, fri, sat, sun], staff: [duty-%d], leader: leader-%d}]}\n", i, e, i, i)
		fmt.Fprintf(&policies, "  - {id: default-%d, estate: %s, match: {severity: [critical, major]}, steps: [{to: duty, after: 0s}, {to: leader, after: %ds}, {to: \"staff:manager-%d\", after: %ds}]}\n",
			i, e, leaderAfterS, i, managerAfterS)
	}
	return "estates:\n" + estates.String() + "staff:\n" + staff.String() + "rosters:\n" + rosters.String() + "policies:\n" + policies.String()
}
