package disk_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/cell"
	"github.com/linshao/linshao/simulators/e2e/chaos/powercut"
)

// needTool ends a row whose tool is missing.
func needTool(r *row.Row, name string) {
	if _, err := exec.LookPath(name); err != nil {
		r.NotRun(name + " is not installed")
	}
}

// fast returns a folder on a disk whose syncs cost nothing, if there is one.
func fast(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "linshao-chaos-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(strings.TrimPrefix(strings.TrimPrefix(addr, "tcp://"), "http://"))
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// keep leaves the image of a broken promise beside the row's report: the next
// recording will not be the same.
func keep(t *testing.T, im *powercut.Image, name string) {
	out := os.Getenv("CHAOS_OUT")
	if out == "" {
		return
	}
	dir := filepath.Join(out, strings.ReplaceAll(name, " ", "-"))
	if err := im.Write(dir); err != nil {
		t.Logf("image not kept: %v", err)
	}
	t.Logf("image kept in %s", dir)
}

// recorder runs an edge under strace, life after life, on one data folder.
type recorder struct {
	t      *testing.T
	c      *cell.Cell
	j      *cell.Journal
	traces []string
	gates  int
	ts     int64
	next   int
}

const gates = 40

// smallCell is a cell with a small outbox, so that segments are small too.
func smallCell(t *testing.T, dir, bin string, env ...string) *cell.Cell {
	return cell.New(t, dir, cell.Options{Bin: bin, Gates: gates, Env: env, Extra: "outbox: {max_bytes: 32MiB, min_free: 1MiB}\n"})
}

func newRecorder(t *testing.T, dir, bin string, env ...string) *recorder {
	return &recorder{
		t: t, c: smallCell(t, dir, bin, env...), j: cell.NewJournal(), gates: gates, ts: time.Now().Add(-time.Minute).UnixMilli(),
	}
}

func (x *recorder) start() {
	x.t.Helper()
	trace := filepath.Join(x.c.Dir, fmt.Sprintf("trace-%d", len(x.traces)))
	x.traces = append(x.traces, trace)
	x.c.Edge.Spec.Wrap = powercut.Recorder(trace)
	x.c.Edge.Start()
	_, err := x.c.Edge.Ready(30 * time.Second)
	must(x.t, err)
}

// end sends a signal to the daemon, not to strace, and waits for both.
func (x *recorder) end(s syscall.Signal) {
	x.t.Helper()
	must(x.t, syscall.Kill(x.c.Edge.PID(), s))
	<-x.c.Edge.Done()
}

// publish sends n messages of one gate: numbered samples and now and then a
// bulky text, so that segments fill.
func (x *recorder) publish(gate, n int, bulk bool) {
	x.t.Helper()
	var ms []*cell.Message
	for range n {
		x.next++
		x.ts++
		m := cell.Sample(gate, "passages", x.ts, float64(x.next))
		if bulk {
			m = bulky(gate, x.ts, x.next)
		}
		ms = append(ms, m)
	}
	if acked, err := x.c.Publish(x.j, gate, ms...); err != nil || acked != n {
		x.t.Fatalf("%d of %d acknowledged: %v", acked, n, err)
	}
}

// bulky is an event with data that does not compress.
func bulky(gate int, ts int64, salt int) *cell.Message {
	m := cell.Event(gate, "access_granted", ts)
	m.Payload = fmt.Appendf(nil, `{"ts": %d, "event": "access_granted", "data": {"note":"%s"}}`, ts, noise(salt, 4000))
	return m
}

func noise(salt, n int) string {
	const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-"
	out, x := make([]byte, n), uint64(salt)*0x9e3779b97f4a7c15+1
	for i := range out {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		out[i] = letters[x>>58]
	}
	return string(out)
}

// alarm has each gate tell of one event.
func (x *recorder) alarm(event string, from, to int) {
	x.t.Helper()
	for g := from; g < to; g++ {
		x.ts++
		if acked, err := x.c.Publish(x.j, g, cell.Event(g, event, x.ts)); err != nil || acked != 1 {
			x.t.Fatalf("%s of gate %d: %v", event, g, err)
		}
	}
}

// run is the life that is recorded: a first start, segments that fill, a
// collector that falls silent and comes back, a kill, a stop.
func (x *recorder) run(full bool) *powercut.Trace {
	x.t.Helper()
	rolls, alarms := 1, 4
	if full {
		rolls, alarms = 3, x.gates
	}
	x.start()
	x.publish(0, 20, false)
	x.alarm("door_forced_open", 0, alarms)
	x.publish(1, 250, true)
	must(x.t, x.c.Drain(30*time.Second))
	x.c.Collector.Silence(true)
	x.publish(2, 40, false)
	x.publish(1, 300, true)
	x.alarm("tamper_alarm", 0, alarms)
	x.end(syscall.SIGKILL)
	x.start()
	x.publish(0, 20, false)
	x.alarm("door_closed", 0, alarms)
	for range rolls - 1 {
		x.publish(3, 150, true)
		x.alarm("duress", 0, alarms)
	}
	x.c.Collector.Silence(false)
	must(x.t, x.c.Drain(60*time.Second))
	x.publish(2, 20, false)
	x.end(syscall.SIGTERM)
	x.start()
	for i := range rolls - 1 {
		x.publish(3, 300, true)
		x.publish(i, 100, false)
		must(x.t, x.c.Drain(60*time.Second))
	}
	x.alarm("door_forced_open", 0, alarms)
	must(x.t, x.c.Drain(60*time.Second))
	x.publish(4, 30, false)
	x.end(syscall.SIGKILL)
	tr, err := powercut.ParseFiles(x.c.Data, x.traces...)
	must(x.t, err)
	return tr
}

// sameAsDisk checks that the replay of the whole trace is what really lies on
// the disk: the model overlooked nothing.
func sameAsDisk(t *testing.T, tr *powercut.Trace, before, dir string, ignore func(string) bool) {
	t.Helper()
	d, err := tr.NewDisk(before)
	must(t, err)
	must(t, d.Advance(tr.Len()))
	im, seen := d.Kept(), 0
	must(t, filepath.Walk(dir, func(p string, st os.FileInfo, err error) error {
		if err != nil || st.IsDir() || st.Mode()&os.ModeSocket != 0 {
			return err
		}
		name, _ := filepath.Rel(dir, p)
		seen++
		want, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		if got, ok := im.Bytes(name); !ignore(name) && (!ok || string(got) != string(want)) {
			t.Errorf("the replay has %d bytes of %s (%t), the disk %d", len(got), name, ok, len(want))
		}
		return nil
	}))
	if seen != len(im.Files) {
		t.Errorf("the replay has %d files, the disk %d", len(im.Files), seen)
	}
}
