package cell

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/simulators/e2e/daemon"
)

// The one estate's names.
const (
	Estate   = "sunrise-garden"
	Edge     = "sunrise-1"
	password = "a-device-secret"
)

// Options of a Cell.
type Options struct {
	// Bin is the edge's binary, bin/linshao-edge if empty.
	Bin string
	// Data is the daemon's data folder, Dir/data if empty.
	Data string
	// Gates is how many devices may sign in, gate-0 and up.
	Gates int
	// Extra is appended to edge.yaml.
	Extra string
	Env   []string
}

// Cell is one edge with its collector.
type Cell struct {
	t   testing.TB
	Dir string
	// Data is the daemon's data folder.
	Data      string
	MQTT, URL string
	Collector *Collector
	Edge      *daemon.Daemon
	web       http.Client
}

// New writes the configuration; nothing is started but the collector.
func New(t testing.TB, dir string, o Options) *Cell {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c := &Cell{t: t, Dir: dir, Data: o.Data, MQTT: freeAddr(t), URL: "http://" + freeAddr(t), Collector: NewCollector(t)}
	if c.Data == "" {
		c.Data = filepath.Join(dir, "data")
	}
	c.web = http.Client{Timeout: answerWithin}
	var logins, devices strings.Builder
	for i := range o.Gates {
		fmt.Fprintf(&logins, "    - {id: %s, password: %s}\n", Gate(i), password)
		fmt.Fprintf(&devices, "  - {id: %s, profile: access-gate}\n", Gate(i))
	}
	cfg := filepath.Join(dir, "edge.yaml")
	text := fmt.Sprintf("estate: %s\nedge: %s\ndata_dir: %s\nhttp: {listen: %s}\nmqtt:\n  listen: %s\n  devices:\n%suplink: {url: \"%s\", username: u, password: an-uplink-secret}\ndevices:\n%s%s",
		Estate, Edge, c.Data, strings.TrimPrefix(c.URL, "http://"), c.MQTT, logins.String(), c.Collector.URL(), devices.String(), o.Extra)
	if err := os.WriteFile(cfg, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	bin := o.Bin
	if bin == "" {
		bin = "linshao-edge"
	}
	c.Edge = daemon.New(t, daemon.Spec{
		Name: "edge", Dir: dir, Bin: daemon.Bin(t, bin), URL: c.URL, Env: o.Env,
		Args: []string{"run", "--config", cfg, "--log-format", "text"},
	})
	return c
}

// Gate names device i.
func Gate(i int) string { return fmt.Sprintf("gate-%d", i) }

// Sample is a message of one gate with one value.
func Sample(gate int, metric string, ts int64, value float64) *Message {
	return &Message{Topic: "devices/" + Gate(gate) + "/telemetry", Payload: fmt.Appendf(nil, `{"ts": %d, "values": {%q: %g}}`, ts, metric, value)}
}

// Forced is a message of one gate that somebody forced it.
func Forced(gate int, ts int64) *Message { return Event(gate, "door_forced_open", ts) }

// Event is a message of one gate that something happened.
func Event(gate int, event string, ts int64) *Message {
	return &Message{Topic: "devices/" + Gate(gate) + "/events", Payload: fmt.Appendf(nil, `{"ts": %d, "event": %q}`, ts, event)}
}

// Publish sends messages of one gate at once, see Journal.Publish.
func (c *Cell) Publish(j *Journal, gate int, messages ...*Message) (acked int, err error) {
	return j.Publish(c.MQTT, Gate(gate), password, messages...)
}

// Waiting is how many records the edge says that it has for the collector.
func (c *Cell) Waiting() (int, error) {
	resp, err := c.web.Get(c.URL + "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err
	}
	total, seen := 0.0, 0
	for _, l := range strings.Split(string(b), "\n") {
		if !strings.HasPrefix(l, "linshao_edge_outbox_records{") {
			continue
		}
		v, err := strconv.ParseFloat(l[strings.LastIndexByte(l, ' ')+1:], 64)
		if err != nil {
			return 0, err
		}
		total, seen = total+v, seen+1
	}
	if seen == 0 {
		return 0, fmt.Errorf("the edge does not say what waits: %d %.80s", resp.StatusCode, b)
	}
	return int(total), nil
}

// Drain waits until the edge has been heard by the collector and has nothing
// left for it. Its word for that only ends the wait.
func (c *Cell) Drain(bound time.Duration) error {
	limit := time.NewTimer(bound)
	defer limit.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		n, heard := c.Collector.Hellos()
		if n > 0 {
			if left, err := c.Waiting(); err == nil && left == 0 {
				return nil
			}
		}
		select {
		case <-c.Edge.Done():
			return fmt.Errorf("edge ended: %v", c.Edge.State())
		case <-limit.C:
			left, err := c.Waiting()
			return fmt.Errorf("after %s: %d hellos, %d records wait, %w", bound, n, left, err)
		case <-heard:
		case <-tick.C:
		}
	}
}

func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
