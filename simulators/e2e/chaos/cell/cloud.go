package cell

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/simulators/e2e/api"
	"github.com/linshao/linshao/simulators/e2e/daemon"
)

// Cloud is one collector alone, with one edge's credential.
type Cloud struct {
	t testing.TB
	// Data is its data folder.
	Dir, Data string
	MQTT      string
	API       api.Client
	Daemon    *daemon.Daemon
	user      string
	secret    string
}

// CloudOptions of a Cloud.
type CloudOptions struct {
	// Data is the data folder, Dir/data if empty.
	Data string
	// Like is a Cloud whose estate, token and credential are used, since its
	// data will be put in place; nil makes them.
	Like *Cloud
}

// NewCloud writes the configuration and, in the data folder, one estate, a
// token and a credential.
func NewCloud(t testing.TB, dir string, o CloudOptions) *Cloud {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	c := &Cloud{t: t, Dir: dir, Data: o.Data, MQTT: freeAddr(t), API: api.Client{Base: "http://" + freeAddr(t)}}
	if c.Data == "" {
		c.Data = filepath.Join(dir, "data")
	}
	cfg := c.write("cloud.yaml", fmt.Sprintf("data_dir: %s\nhttp: {listen: %s, public_url: %s}\nmqtt: {listen: %s}\n",
		c.Data, strings.TrimPrefix(c.API.Base, "http://"), c.API.Base, c.MQTT))
	c.Daemon = daemon.New(t, daemon.Spec{
		Name: "cloud", Dir: dir, Bin: daemon.Bin(t, "linshao-cloud"), URL: c.API.Base,
		Args: []string{"serve", "--config", cfg, "--log-format", "text"},
	})
	if o.Like != nil {
		c.API.Token, c.user, c.secret = o.Like.API.Token, o.Like.user, o.Like.secret
		return c
	}
	plan := fmt.Sprintf("estates: [{id: %s, name: %s, timezone: Asia/Shanghai, edges: [{id: %s}]}]\n", Estate, Estate, Edge)
	c.exec("import", "--config", cfg, c.write("plan.yaml", plan))
	words := strings.Fields(c.exec("token", "create", "--config", cfg, "--name", "cell", "--role", "admin"))
	c.API.Token = words[len(words)-1]
	block := c.exec("edge-credential", "create", "--config", cfg, "--estate", Estate, "--edge", Edge)
	c.user, c.secret = field(block, "username"), field(block, "password")
	return c
}

func (c *Cloud) write(name, text string) string {
	c.t.Helper()
	p := filepath.Join(c.Dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		c.t.Fatal(err)
	}
	return p
}

func (c *Cloud) exec(args ...string) string {
	c.t.Helper()
	cmd := exec.Command(c.Daemon.Spec.Bin, args...)
	var out, why bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &why
	if err := cmd.Run(); err != nil {
		c.t.Fatalf("linshao-cloud %v: %v\n%s", args, err, why.String())
	}
	return out.String()
}

// field finds the value of a key in a block of YAML, on one line or many.
func field(block, key string) string {
	_, rest, _ := strings.Cut(block, key+":")
	rest = strings.TrimLeft(rest, " ")
	if i := strings.IndexAny(rest, ",}\n"); i >= 0 {
		rest = rest[:i]
	}
	return strings.Trim(rest, `"' `)
}

// Numbered is a record of n numbered samples of one device.
func Numbered(device string, from int64, n int) envelope.Record {
	var r envelope.Record
	for i := range int64(n) {
		at := from + i
		r.Samples = append(r.Samples, telemetry.Sample{
			Key: telemetry.SeriesKey{Device: device, Kind: "meter", Metric: "count"}, AtMS: at, DeviceMS: at, EdgeMS: at,
			Value: float64(at % 100_000),
		})
	}
	return r
}

// Raised is a record of one ticket raised for a device.
func Raised(device string, atMS int64) envelope.Record {
	id := ticket.NewID(time.UnixMilli(atMS))
	return envelope.Record{Transitions: []ticket.Transition{{
		ID: string(ticket.NewID(time.UnixMilli(atMS))), Ticket: id, Kind: ticket.Raise, AtMS: atMS,
		Stamp: ticket.Stamp{WallMS: atMS, Origin: Estate + "/" + Edge}, By: ticket.Actor{Kind: ticket.ByRule, ID: "forced"},
		Subject: &ticket.Subject{
			Estate: Estate, Edge: Edge, Device: device, DeviceKind: "access-gate", Rule: "forced",
			Fault: ticket.DoorForced, Severity: ticket.Major, Title: ticket.Title{Code: "door_forced"},
		},
	}}}
}
