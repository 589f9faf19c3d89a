package e2e

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/simulators/e2e/site"
)

const goodEdge = `estate: sunrise-garden
edge: sunrise-1
data_dir: %s
http: {listen: 127.0.0.1:8081}
mqtt:
  listen: 127.0.0.1:1883
  devices: [{id: gate-east-1, password: gate-secret-1}]
uplink: {url: "tcp://127.0.0.1:1884", username: u, password: p}
outbox: {max_bytes: 2GiB, max_age: 35d, min_free: 256MiB}
devices:
  - {id: gate-east-1, profile: access-gate, location: 东门}
rules: []
`

const goodCloud = `data_dir: %s
http: {listen: 127.0.0.1:8080, public_url: "http://127.0.0.1:8080"}
mqtt: {listen: 127.0.0.1:1884}
database: {url: ""}
series: {backend: embedded, retention: 400d}
`

// Every mistake in a configuration names file, line, column and the mend, and
// ends with status 2.
func TestAMistakeInAConfigurationIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, bin, good, replace, with, line, word string
	}{
		{"unknown key", "linshao-edge", goodEdge, "edge: sunrise-1", "edge: sunrise-1\nedeg: x", "3", "edeg"},
		{"unknown nested key", "linshao-edge", goodEdge, "  listen: 127.0.0.1:1883", "  lisen: 127.0.0.1:1883", "6", "lisen"},
		{"wrong type", "linshao-edge", goodEdge, "max_bytes: 2GiB", "max_bytes: many", "9", "many"},
		{"unknown profile", "linshao-edge", goodEdge, "profile: access-gate", "profile: acces-gate", "11", "acces-gate"},
		{"bad device id", "linshao-edge", goodEdge, "- {id: gate-east-1, profile", "- {id: Gate East, profile", "11", "Gate East"},
		{"unknown detector", "linshao-edge", goodEdge, "rules: []", "rules: [{id: odd, metric: \"*\", detector: guess, severity: warning}]", "12", "guess"},
		{"missing estate", "linshao-edge", goodEdge, "estate: sunrise-garden\n", "", "", "estate"},
		{"unknown key", "linshao-cloud", goodCloud, "mqtt:", "mqqt:", "3", "mqqt"},
		{"unknown backend", "linshao-cloud", goodCloud, "backend: embedded", "backend: paper", "5", "paper"},
		{"bad address", "linshao-cloud", goodCloud, "{listen: 127.0.0.1:8080,", "{listen: nowhere,", "2", "nowhere"},
	} {
		t.Run(c.bin+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "config.yaml")
			good := fmt.Sprintf(c.good, filepath.Join(dir, "data"))
			writeFile(t, path, good)
			if _, errs, err := site.Exec(t, nil, c.bin, "check", "--config", path); err != nil {
				t.Fatalf("the good file is refused: %v %s", err, errs)
			}
			bad := strings.Replace(good, c.replace, c.with, 1)
			if bad == good {
				t.Fatal("the test changes nothing")
			}
			writeFile(t, path, bad)
			_, errs, err := site.Exec(t, nil, c.bin, "check", "--config", path)
			if code := exitCode(err); code != 2 {
				t.Errorf("exit status %d, want 2", code)
			}
			place := regexp.QuoteMeta(path) + `:` + c.line
			if c.line == "" {
				place = regexp.QuoteMeta(path) + `:\d+`
			}
			if !regexp.MustCompile(place+`:\d+: `).MatchString(errs) || !strings.Contains(errs, c.word) {
				t.Errorf("want %s:column and %q in:\n%s", place, c.word, errs)
			}
			if _, err := os.Stat(filepath.Join(dir, "data")); err == nil {
				t.Error("check left a data folder behind")
			}
		})
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func exitCode(err error) int {
	var e *exec.ExitError
	if errors.As(err, &e) {
		return e.ExitCode()
	}
	if err != nil {
		return -1
	}
	return 0
}

// Nothing listens beyond loopback with credentials that anybody could guess.
func TestAnOpenDoorIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, bin, good, replace, with string }{
		{"cloud console without a user", "linshao-cloud", goodCloud, "listen: 127.0.0.1:8080", "listen: 0.0.0.0:8080"},
		{"edge page without a token", "linshao-edge", goodEdge, "listen: 127.0.0.1:8081", "listen: 0.0.0.0:8081"},
		{"devices without passwords", "linshao-edge", strings.Replace(goodEdge, "password: gate-secret-1", `password: ""`, 1), "listen: 127.0.0.1:1883", "listen: 0.0.0.0:1883"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			path := filepath.Join(dir, "config.yaml")
			writeFile(t, path, strings.Replace(fmt.Sprintf(c.good, filepath.Join(dir, "data")), c.replace, c.with, 1))
			verb := map[string]string{"linshao-cloud": "serve", "linshao-edge": "run"}[c.bin]
			_, errs, err := site.Exec(t, nil, c.bin, verb, "--config", path)
			if code := exitCode(err); code != 2 {
				t.Errorf("exit status %d, want 2: %s", code, errs)
			}
		})
	}
}

// Telemetry that nobody can read is counted and kept for the engineer, and
// the device's other messages go on.
func TestUnreadableTelemetryIsQuarantined(t *testing.T) {
	t.Parallel()
	s := site.New(t, site.Options{PagerURL: "http://127.0.0.1:9"})
	d := s.Device("gate-east-1", "gate-secret-1")
	d.MustPublish("devices/gate-east-1/telemetry", `{"ts": 1732, "values": {"door": `)
	d.MustPublish("devices/gate-east-1/telemetry", `{"values": {"motor_temp": 21.5}}`)
	s.Eventually("the quarantined message", time.Minute, func() bool {
		return strings.Contains(s.EdgeGet("/api/v1/quarantine"), "gate-east-1")
	})
	if m := s.Metrics(s.EdgeURL); !regexp.MustCompile(`linshao_edge_dropped_total\{reason="[a-z_]+"\} 1`).MatchString(m) {
		t.Error("no linshao_edge_dropped_total counts it")
	}
}
