package app_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"
	"go.uber.org/goleak"

	"github.com/linshao/linshao/edge/app"
	"github.com/linshao/linshao/protocol/kit/datadir"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// site is an estate with one gate whose edge is started and stopped.
type site struct {
	t                *testing.T
	conf, page, mqtt string
}

func newSite(t *testing.T, more string) site {
	t.Helper()
	s := site{t: t, conf: filepath.Join(t.TempDir(), "edge.yaml"), page: freePort(t), mqtt: freePort(t)}
	text := fmt.Sprintf(`estate: sunrise
edge: e1
data_dir: %s
http: {listen: %s}
mqtt: {listen: %s, devices: [{id: gate-1, password: secret}]}
outbox: {min_free: 0B}
devices: [{id: gate-1, profile: access-gate, location: 东门}]
%s`, filepath.Join(filepath.Dir(s.conf), "data"), s.page, s.mqtt, more)
	if err := os.WriteFile(s.conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// start runs the edge until it is ready; stop ends it.
func (s site) start() (stop func()) {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() {
		done <- app.Run(ctx, app.Options{ConfigPath: s.conf, Environ: os.Environ(), Version: "test", Log: slog.New(onReady{ch: ready})})
	}()
	select {
	case <-ready:
	case err := <-done:
		cancel()
		s.t.Fatalf("the edge did not start: %v", err)
	}
	return func() {
		cancel()
		if err := <-done; err != nil {
			s.t.Error(err)
		}
	}
}

func (s site) get(path string) string {
	s.t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get("http://" + s.page + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil || r.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %d %v", path, r.StatusCode, err)
	}
	return string(b)
}

// publish sends one message as the gate and waits for its PUBACK.
func (s site) publish(topic, payload string) {
	s.t.Helper()
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + s.mqtt).SetClientID("gate-1").SetUsername("gate-1").SetPassword("secret").
		SetProtocolVersion(4).SetAutoReconnect(false))
	for _, tok := range []func() paho.Token{c.Connect, func() paho.Token { return c.Publish(topic, 1, false, payload) }} {
		if k := tok(); !k.WaitTimeout(30*time.Second) || k.Error() != nil {
			s.t.Fatalf("publish to %s: %v", topic, k.Error())
		}
	}
	c.Disconnect(250)
}

type shown struct {
	ID, Device, Location, Fault string
	RaisedMS                    int64 `json:"raised_ms"`
}

func (s site) tickets() []shown {
	s.t.Helper()
	var got struct{ Items []shown }
	if err := json.Unmarshal([]byte(s.get("/api/v1/tickets")), &got); err != nil {
		s.t.Fatal(err)
	}
	return got.Items
}

// A PUBACK means that the event's ticket is on disk: the next life knows it
// under the same id, and does not open another one.
func TestARestartKeepsOpenTickets(t *testing.T) {
	s := newSite(t, "")
	stop := s.start()
	s.publish("devices/gate-1/events", `{"event": "door_forced_open"}`)
	before := s.tickets()
	stop()
	if len(before) != 1 || before[0].Device != "gate-1" || before[0].Location != "东门" || before[0].Fault != "door_forced" {
		t.Fatalf("tickets %+v", before)
	}
	for range 2 {
		stop = s.start()
		if after := s.tickets(); len(after) != 1 || after[0] != before[0] {
			t.Errorf("before %+v, after a restart %+v", before, after)
		}
		stop()
	}
}

func TestThePageTellsWhatTheEdgeKnows(t *testing.T) {
	s := newSite(t, "")
	stop := s.start()
	defer stop()
	s.publish("devices/gate-1/telemetry", `{"values": {"door": "open", "motor_temp": 41.5}}`)
	s.publish("devices/gate-1/telemetry", `nonsense`)
	for path, wants := range map[string][]string{
		"/readyz":            {"ready"},
		"/":                  {"边缘网关"},
		"/api/v1/status":     {`"estate":"sunrise"`, `"version":"test"`},
		"/api/v1/devices":    {`"value":41.5`, `"unit":"`, `"id":"gate-1"`},
		"/api/v1/outbox":     {`"connected":false`, `"lane":"alarm"`, `"lane":"samples"`},
		"/api/v1/quarantine": {"nonsense"},
		"/metrics": {
			`linshao_edge_dropped_total{reason="dropped_full"} 0`, `linshao_edge_dropped_total{reason="dropped_age"} 0`,
			`linshao_edge_dropped_total{reason="damaged"} 0`, `linshao_edge_dropped_total{reason="lost"} 0`,
			"linshao_edge_tickets_open 0", `linshao_edge_outbox_records{lane="backfill"}`, `linshao_edge_outbox_records{lane="live"}`, "linshao_edge_uplink_connected 0",
		},
	} {
		got := s.get(path)
		for _, want := range wants {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %s is missing in %s", path, want, got)
			}
		}
	}
}

// The edge serves its estate while the cloud cannot be reached, and stops all
// the same.
func TestWithoutItsCloud(t *testing.T) {
	s := newSite(t, fmt.Sprintf("uplink: {url: \"tcp://%s\", username: sunrise/e1, password: secret}\n", freePort(t)))
	stop := s.start()
	s.publish("devices/gate-1/events", `{"event": "door_forced_open"}`)
	if got := s.tickets(); len(got) != 1 {
		t.Errorf("tickets %+v", got)
	}
	if got := s.get("/healthz"); !strings.Contains(got, `"uplink":"未连接云端`) || strings.Contains(got, "disk") {
		t.Errorf("health %s", got)
	}
	stop()
}

func TestAFullDiskIsTold(t *testing.T) {
	s := newSite(t, "")
	t.Setenv("LINSHAO_OUTBOX_MIN_FREE", "1000TiB")
	stop := s.start()
	defer stop()
	if got := s.get("/healthz"); !strings.Contains(got, `"disk":"磁盘空间不足"`) || !strings.Contains(got, "degraded") {
		t.Errorf("health %s", got)
	}
}

// What keeps the edge from running is told, and nothing is left behind.
func TestItDoesNotStart(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	s := newSite(t, "")
	stop := s.start()
	if err := app.Run(t.Context(), app.Options{ConfigPath: s.conf, Log: quiet}); !errors.Is(err, datadir.ErrInUse) {
		t.Errorf("beside itself: %v", err)
	}
	other := newSite(t, "")
	other.startOnPortsOf(t, s)
	stop()

	broken := newSite(t, "nonsense: 1\n")
	if err := app.Run(t.Context(), app.Options{ConfigPath: broken.conf, Log: quiet}); err == nil || !strings.Contains(err.Error(), "unknown key") {
		t.Errorf("with a broken file: %v", err)
	}
	if _, err := os.Stat(filepath.Join(filepath.Dir(broken.conf), "data")); err == nil {
		t.Error("a broken file made a data directory")
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := app.Run(over, app.Options{ConfigPath: s.conf, Log: quiet}); err != nil {
		t.Errorf("told to stop before it began: %v", err)
	}
}

// startOnPortsOf starts s on the ports of a running site.
func (s site) startOnPortsOf(t *testing.T, running site) {
	t.Helper()
	for _, taken := range []string{"LINSHAO_HTTP_LISTEN=" + running.page, "LINSHAO_MQTT_LISTEN=" + running.mqtt} {
		err := app.Run(t.Context(), app.Options{ConfigPath: s.conf, Environ: []string{taken}, Log: slog.New(slog.DiscardHandler)})
		if err == nil || !strings.Contains(err.Error(), "address already in use") {
			t.Errorf("%s: %v", taken, err)
		}
	}
}
