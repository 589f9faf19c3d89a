// Package rig is the town that the chaos rows attack: one real cloud process,
// real edge processes each behind its own breakable WAN, a mock pager, and
// devices that remember what they were told.
//
//	town := rig.New(t, rig.Options{Estates: 2})
//	town.Start()
//	load := town.Load(rig.Load{Samples: 500, AlarmEvery: 2 * time.Second})
//	town.Estates[0].Edge.Kill()
//	town.Estates[0].Edge.Start()
//	load.Stop()
//	town.Judge(r)
//
// Three journals are kept as NDJSON in Town.Journals: told.ndjson by the
// devices, paged.ndjson by the pager, held.ndjson by asking the cloud when all
// is over. Judge hands them to the checker, which is another program in another
// language, and puts its verdict on the row. The rig itself judges nothing, and
// believes no counter of the product.
//
// All times are taken from the harness's monotonic clock.
package rig

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/simulators/e2e/api"
	"github.com/linshao/linshao/simulators/e2e/daemon"
	"github.com/linshao/linshao/simulators/netfault"
	"github.com/linshao/linshao/simulators/pager"
)

// readyBound only ends a test that would hang.
const readyBound = time.Minute

// Options of a Town. The zero value is one estate of production binaries.
type Options struct {
	// Estates is how many, each with one edge; default 1.
	Estates int
	// Chaos runs the binaries that were built with points to die at.
	Chaos bool
	// CloudEnv and EdgeEnv are set for the daemons, in every life.
	CloudEnv, EdgeEnv []string
	// CloudWrap and EdgeWrap are commands to run the daemons under.
	CloudWrap, EdgeWrap []string
	// LineHost, if set, is the address at which edges find their lines to the
	// cloud; default 127.0.0.1.
	LineHost string
	// CloudData and EdgeData, if set, say where a daemon's data folder is,
	// such as on a small tmpfs; default: within Dir.
	CloudData string
	EdgeData  func(estate int) string
	// CloudExtra and EdgeExtra are appended to the configurations.
	CloudExtra, EdgeExtra string
	// Meters is how many devices of an estate send samples, each Metrics
	// values in a message; defaults 5 and 10.
	Meters, Metrics int
	// Lifts and Gates is how many devices of an estate alarms come from. An
	// alarm needs a device whose last one is over; defaults 8 and 8.
	Lifts, Gates int
	// Steps of the policy for what is critical or major; default: duty at
	// once, the leader after 10 min.
	Steps string
}

// Town is what is under attack.
type Town struct {
	t testing.TB
	o Options
	// Dir holds configurations, logs, and data unless told otherwise;
	// Journals is the folder of the three journals.
	Dir, Journals string
	Cloud         *daemon.Daemon
	CloudMQTT     string
	CloudData     string
	Estates       []*Estate
	Pager         *pager.Pager
	API           api.Client

	began time.Time
	told  *journal
	paged *journal
	heard *heard
}

// Estate is one estate's edge and the WAN before it.
type Estate struct {
	ID   string
	Edge *daemon.Daemon
	// WAN stands between edge and cloud.
	WAN *netfault.Proxy
	// MQTT is where the estate's devices connect, host:port.
	MQTT, Data string

	lifts, gates *pool
}

// New writes configurations and credentials and starts nothing but the pager.
func New(t testing.TB, o Options) *Town {
	t.Helper()
	o.fill()
	dir := t.TempDir()
	w := &Town{t: t, o: o, Dir: dir, began: time.Now(), heard: newHeard()}
	w.Journals = filepath.Join(dir, "journals")
	w.CloudData = orElse(o.CloudData, filepath.Join(dir, "cloud"))
	w.CloudMQTT = addr(t)
	w.API.Base = "http://" + addr(t)
	w.must(os.Mkdir(w.Journals, 0o700))
	w.openJournals()
	w.t.Cleanup(func() {
		w.Pager.Close()
		w.told.close()
		w.paged.close()
	})
	w.startPager("127.0.0.1:0")
	for i := range o.Estates {
		w.Estates = append(w.Estates, w.estate(i))
	}
	w.configureCloud()
	for _, e := range w.Estates {
		w.configureEdge(e)
	}
	w.must(exec.Command("cp", "-a", w.CloudData, w.path("pristine")).Run())
	return w
}

func (o *Options) fill() {
	for _, f := range []struct {
		n    *int
		what int
	}{{&o.Estates, 1}, {&o.Meters, 5}, {&o.Metrics, 10}, {&o.Lifts, 8}, {&o.Gates, 8}} {
		if *f.n == 0 {
			*f.n = f.what
		}
	}
	o.Steps = orElse(o.Steps, `{to: duty, after: 0s}, {to: leader, after: 10m}`)
}

// Start starts the cloud, then the edges, and returns once all are ready.
func (w *Town) Start() {
	w.t.Helper()
	w.Cloud.Start()
	w.Ready(w.Cloud)
	for _, e := range w.Estates {
		e.Edge.Start()
	}
	for _, e := range w.Estates {
		w.Ready(e.Edge)
	}
}

// Reset brings a town back to before its first Start: empty stores, new
// journals, fair weather, every device free. Credentials, ports and the pager
// stay, so that it costs far less than a new town.
func (w *Town) Reset() {
	w.t.Helper()
	w.Kill()
	w.Pager.Close() // waits for what is still on its way
	w.told.close()
	w.paged.close()
	w.must(os.RemoveAll(w.CloudData))
	w.must(exec.Command("cp", "-a", w.path("pristine"), w.CloudData).Run())
	for _, e := range w.Estates {
		w.must(os.RemoveAll(e.Data))
		e.WAN.Heal()
		e.lifts, e.gates = newPool("lift", w.o.Lifts), newPool("gate", w.o.Gates)
	}
	w.heard = newHeard()
	w.openJournals()
	w.startPager(w.Pager.Addr())
}

// Ready waits for a daemon and returns how long it took since its start.
func (w *Town) Ready(d *daemon.Daemon) time.Duration {
	w.t.Helper()
	took, err := d.Ready(readyBound)
	if err != nil {
		w.t.Fatal(err)
	}
	return took
}

// Kill ends every daemon at once.
func (w *Town) Kill() {
	w.Cloud.Kill()
	for _, e := range w.Estates {
		e.Edge.Kill()
	}
}

// Connected reports whether the edge says that its uplink is up. It is for
// waiting, not for judging.
func (e *Estate) Connected(ctx context.Context) bool {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, e.Edge.Spec.URL+"/metrics", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return err == nil && strings.Contains(string(b), "linshao_edge_uplink_connected 1")
}

// Now is the harness's monotonic clock in ms, the at of the journals.
func (w *Town) Now() float64 { return float64(time.Since(w.began).Microseconds()) / 1000 }

func (w *Town) startPager(addr string) {
	w.t.Helper()
	p, err := pager.Listen(addr)
	w.must(err)
	p.Journal(w.page)
	w.Pager = p
}

func (w *Town) estate(i int) *Estate {
	e := &Estate{ID: fmt.Sprintf("estate-%d", i), MQTT: addr(w.t)}
	e.Data = filepath.Join(w.Dir, e.ID)
	if w.o.EdgeData != nil {
		e.Data = w.o.EdgeData(i)
	}
	wan, err := netfault.Listen(orElse(w.o.LineHost, "127.0.0.1")+":0", w.CloudMQTT)
	w.must(err)
	w.t.Cleanup(func() { wan.Close() })
	e.WAN = wan
	e.Edge = daemon.New(w.t, daemon.Spec{
		Name: e.ID, Dir: w.Dir, Bin: daemon.Bin(w.t, w.o.bin("linshao-edge")), URL: "http://" + addr(w.t),
		Args: []string{"run", "--config", w.path(e.ID + ".yaml"), "--log-format", "text"},
		Env:  w.o.EdgeEnv, Wrap: w.o.EdgeWrap,
	})
	e.lifts, e.gates = newPool("lift", w.o.Lifts), newPool("gate", w.o.Gates)
	return e
}

func (o *Options) bin(name string) string {
	if o.Chaos {
		return "chaos/" + name
	}
	return name
}

// addr is a loopback address that nobody listens on.
func addr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (w *Town) path(name string) string { return filepath.Join(w.Dir, name) }

func (w *Town) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

func host(url string) string { return strings.TrimPrefix(url, "http://") }
