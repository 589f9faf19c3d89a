// Package site boots a cloud and its edges as real processes in a temporary
// folder, for the end-to-end tests: real binaries, real ports on loopback,
// real disks. It knows the product only from outside: command lines,
// configuration files, MQTT, HTTP.
//
// Everything it starts is stopped when the test ends.
package site

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linshao/linshao/simulators/e2e/daemon"
	"github.com/linshao/linshao/simulators/netfault"
)

// Estate and Edge name the one estate most tests need.
const (
	Estate = "sunrise-garden"
	Edge   = "sunrise-1"
)

// Site is one cloud with one estate's edge behind a cuttable WAN.
type Site struct {
	t testing.TB
	// Dir holds configurations, data and logs.
	Dir string
	// CloudURL and EdgeURL are the HTTP bases; EdgeMQTT and CloudMQTT are
	// host:port; Modbus is where the configuration expects devices.
	CloudURL, EdgeURL, EdgeMQTT, CloudMQTT, Modbus string
	// WAN stands between edge and cloud.
	WAN               *netfault.Proxy
	Cloud, EdgeDaemon *daemon.Daemon
	// Token is an admin's.
	Token string
}

// Options change what New writes into the configurations.
type Options struct {
	// Plan is the import file; empty: DefaultPlan with a pager at PagerURL.
	Plan     string
	PagerURL string
	// EdgeExtra is appended to edge.yaml; Devices replaces its device list.
	EdgeExtra, Devices string
	// Logins are lines of YAML after those of the default devices.
	Logins string
	// CloudExtra is appended to cloud.yaml.
	CloudExtra string
}

// FreeAddr returns a loopback address that nobody listens on.
func FreeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// New writes the configurations, creates credentials and starts the cloud and
// the edge; it returns once both are ready.
func New(t testing.TB, o Options) *Site {
	t.Helper()
	s := Prepare(t, o)
	s.Cloud.Start()
	s.WaitReady(s.CloudURL)
	s.EdgeDaemon.Start()
	s.WaitReady(s.EdgeURL)
	return s
}

// Prepare does what New does but starts nothing.
func Prepare(t testing.TB, o Options) *Site {
	t.Helper()
	s := &Site{
		t: t, Dir: t.TempDir(), CloudURL: "http://" + FreeAddr(t), EdgeURL: "http://" + FreeAddr(t),
		EdgeMQTT: FreeAddr(t), CloudMQTT: FreeAddr(t), Modbus: FreeAddr(t),
	}
	s.write("cloud.yaml", fmt.Sprintf(`data_dir: %s
http: {listen: %s, public_url: %s}
mqtt: {listen: %s}
%s`, filepath.Join(s.Dir, "cloud"), host(s.CloudURL), s.CloudURL, s.CloudMQTT, o.CloudExtra))
	plan := o.Plan
	if plan == "" {
		plan = DefaultPlan(o.PagerURL)
	}
	s.write("plan.yaml", plan)
	s.Run(nil, "linshao-cloud", "import", "--config", s.Path("cloud.yaml"), s.Path("plan.yaml"))
	token := s.Run(nil, "linshao-cloud", "token", "create", "--config", s.Path("cloud.yaml"), "--name", "e2e", "--role", "admin")
	s.Token = lastWord(token)
	uplink := s.Run(nil, "linshao-cloud", "edge-credential", "create", "--config", s.Path("cloud.yaml"), "--estate", Estate, "--edge", Edge)
	s.proxy(uplink, o)
	s.Cloud = s.daemon("cloud", s.CloudURL, "serve")
	s.EdgeDaemon = s.daemon("edge", s.EdgeURL, "run")
	return s
}

// daemon prepares one of the two, run by its verb.
func (s *Site) daemon(name, url, verb string) *daemon.Daemon {
	return daemon.New(s.t, daemon.Spec{
		Name: name, Dir: s.Dir, URL: url, Bin: Bin(s.t, "linshao-"+name),
		Args: []string{verb, "--config", s.Path(name + ".yaml"), "--log-format", "text"},
	})
}

// proxy puts the WAN between edge and cloud and writes edge.yaml.
func (s *Site) proxy(uplink string, o Options) {
	wan, err := netfault.Listen("127.0.0.1:0", s.CloudMQTT)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { wan.Close() })
	s.WAN = wan
	devices := o.Devices
	if devices == "" {
		devices = fmt.Sprintf(`  - {id: gate-east-1, profile: access-gate, location: 东门}
  - {id: lift-3-1, profile: lift-terminal, location: 3号楼1单元, modbus: {url: "tcp://%s", unit: 1}}
  - {id: robot-1, profile: patrol-robot}
`, s.Modbus)
	}
	s.write("edge.yaml", fmt.Sprintf(`estate: %s
edge: %s
data_dir: %s
http: {listen: %s}
mqtt:
  listen: %s
  devices:
    - {id: gate-east-1, password: gate-secret-1}
    - {id: robot-1, password: robot-secret-1}
%s%s
devices:
%s
%s`, Estate, Edge, filepath.Join(s.Dir, "edge"), host(s.EdgeURL), s.EdgeMQTT, o.Logins,
		strings.ReplaceAll(uplink, s.CloudMQTT, wan.Addr()), devices, o.EdgeExtra))
}

// DefaultPlan is one estate with a vanguard member on duty, a leader, a
// manager, a desk and a maintainer, all reachable by webhook.
func DefaultPlan(pager string) string {
	person := func(id, name, post string, vanguard bool) string {
		return fmt.Sprintf(`  - {id: %s, name: %s, estate: %s, post: %s, party_member: %t, vanguard: %t, channels: [{kind: webhook, url: "%s/%s", secret: s3cret}]}
`, id, name, Estate, post, vanguard, vanguard, pager, id)
	}
	return `estates: [{id: sunrise-garden, name: 阳光花园, timezone: Asia/Shanghai, edges: [{id: sunrise-1}]}]
staff:
` + person("li-wei", "李伟", "patrol", true) + person("zhao-min", "赵敏", "patrol", false) +
		person("wang-fang", "王芳", "manager", false) + person("chen-jie", "陈洁", "desk", false) +
		person("sun-qiang", "孙强", "maintainer", false) + `rosters:
  - {id: day-and-night, estate: sunrise-garden, shifts: [{from: "00:00", to: "24:00", days: [mon, tue, wed, thu, fri, sat, sun], staff: [li-wei, zhao-min], leader: zhao-min}]}
policies:
  - {id: default, estate: sunrise-garden, match: {severity: [critical, major]}, steps: [{to: duty, after: 0s}, {to: leader, after: 2s}, {to: "staff:wang-fang", after: 5s}]}
`
}

// Path returns the path of a file in Dir.
func (s *Site) Path(name string) string { return filepath.Join(s.Dir, name) }

func (s *Site) write(name, text string) {
	if err := os.WriteFile(s.Path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// Run runs a command to its end and returns its standard output.
func (s *Site) Run(stdin []byte, bin string, args ...string) string {
	s.t.Helper()
	out, errs, err := Exec(s.t, stdin, bin, args...)
	if err != nil {
		s.t.Fatalf("%s %s: %v\n%s%s", bin, strings.Join(args, " "), err, out, errs)
	}
	return out
}

// Exec runs a command to its end and returns what it wrote.
func Exec(t testing.TB, stdin []byte, bin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	cmd := exec.Command(Bin(t, bin), args...)
	cmd.Stdin = bytes.NewReader(stdin)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	err = cmd.Run()
	return o.String(), e.String(), err
}

func host(url string) string { return strings.TrimPrefix(url, "http://") }

func lastWord(s string) string {
	f := strings.Fields(s)
	if len(f) == 0 {
		return ""
	}
	return f[len(f)-1]
}

// Decode reads JSON into a T.
func Decode[T any](t testing.TB, b []byte) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatalf("%v in %s", err, b)
	}
	return v
}
