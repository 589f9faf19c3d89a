package disk_test

import (
	"cmp"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/cell"
	"github.com/linshao/linshao/simulators/e2e/chaos/powercut"
)

// TestChaosR3Cloud is R3 for the collector: what it sent a Receipt for is
// there after any power cut, its database is whole and so is its audit chain.
func TestChaosR3Cloud(t *testing.T) {
	r := row.Begin(t, "R3-cloud", "power cut of the collector")
	needTool(r, "strace")
	needTool(r, "sqlite3")
	dir := fast(t)
	like := cell.NewCloud(t, filepath.Join(dir, "recorded"), cell.CloudOptions{})
	before := filepath.Join(dir, "before")
	must(t, os.CopyFS(before, os.DirFS(like.Data)))
	tr, sent := recordCloud(t, like, r.N(12, 60))
	for _, m := range tr.Mapped {
		if !rebuilt(m) {
			t.Errorf("%s is written to through memory, which no trace shows", m)
		}
	}
	sameAsDisk(t, tr, before, like.Data, rebuilt)
	rec, err := cell.RecordedCloud(tr, portOf(t, like.MQTT))
	must(t, err)
	if len(rec) < sent {
		t.Fatalf("the trace shows %d Receipts, %d came", len(rec), sent)
	}
	r.Count("cloud_receipts", len(rec))
	r.Count("cloud_syncs", len(tr.Syncs())/2)
	e := cloudImages{t: t, r: r, dir: dir, before: before, tr: tr, receipts: rec, like: like}
	e.run(r.N(3, 250))
	e.databases(r.N(12, 1500))
}

// rebuilt files hold nothing that matters after a crash: SQLite makes the
// index of its log anew, the series store its lock file and what it shows of
// running queries.
func rebuilt(name string) bool {
	return strings.HasSuffix(name, "-shm") || filepath.Base(name) == "queries.active"
}

// recordCloud has a collector take n batches, with a kill and a stop.
func recordCloud(t *testing.T, c *cell.Cloud, n int) (tr *powercut.Trace, stored int) {
	t.Helper()
	var traces []string
	f := cell.NewFeed()
	ts := time.Now().Add(-time.Hour).UnixMilli()
	for life, s := range []syscall.Signal{syscall.SIGKILL, syscall.SIGTERM, syscall.SIGKILL} {
		trace := filepath.Join(c.Dir, fmt.Sprint("trace-", life))
		traces = append(traces, trace)
		c.Daemon.Spec.Wrap = powercut.Recorder(trace)
		c.Daemon.Start()
		_, err := c.Daemon.Ready(bound)
		must(t, err)
		must(t, f.Connect(t.Context(), c))
		for i := range n {
			late := ts - int64(i)*1000 - 30*60_000 // out of order: the other log of the series
			got, err := f.Send(t.Context(),
				cell.Numbered("meter-1", ts, 40), cell.Numbered("meter-2", ts, 40),
				cell.Raised(fmt.Sprintf("gate-%d-%d", life, i), ts), cell.Numbered("meter-3", late, 20))
			must(t, err)
			stored += got
			ts += 40
		}
		f.Close()
		must(t, syscall.Kill(c.Daemon.PID(), s))
		<-c.Daemon.Done()
	}
	c.Daemon.Spec.Wrap = nil
	if out := os.Getenv("CHAOS_OUT"); out != "" {
		t.Cleanup(func() { keepTraces(t, out, traces) })
	}
	tr, err := powercut.ParseFiles(c.Data, traces...)
	must(t, err)
	return tr, stored
}

// keepTraces keeps the recording that broken promises were found in.
func keepTraces(t *testing.T, out string, traces []string) {
	if !t.Failed() {
		return
	}
	for _, name := range traces {
		if b, err := os.ReadFile(name); err == nil {
			must(t, os.WriteFile(filepath.Join(out, "R3-cloud-"+filepath.Base(name)), b, 0o600))
		}
	}
}

// cloudImages starts a collector on each image of a recording.
type cloudImages struct {
	t           *testing.T
	r           *row.Row
	dir, before string
	tr          *powercut.Trace
	receipts    []cell.Receipted
	like        *cell.Cloud
}

func (e *cloudImages) run(n int) {
	free := make(chan *cell.Cloud, workers)
	for i := range workers {
		free <- cell.NewCloud(e.t, filepath.Join(e.dir, fmt.Sprint("worker-", i)), cell.CloudOptions{Like: e.like})
	}
	d, err := e.tr.NewDisk(e.before)
	must(e.t, err)
	var wg sync.WaitGroup
	for i, at := range positions(e.tr, n, e.r.Rand(1)) {
		must(e.t, d.Advance(at))
		c := cut{at: at, im: d.Worst(), name: fmt.Sprintf("worst at %d", at)}
		if i%3 > 0 && e.r.Full() { // three images by chance would tell nothing
			c.im, c.name = d.Crash(e.r.Rand(i)), fmt.Sprintf("seed %d of case %d at %d", e.r.Seed(i), i, at)
		}
		on := <-free
		must(e.t, os.RemoveAll(on.Data))
		must(e.t, c.im.Write(on.Data))
		wg.Go(func() {
			defer func() { free <- on }()
			e.judge(on, c)
		})
	}
	wg.Wait()
}

func (e *cloudImages) judge(on *cell.Cloud, c cut) {
	defer on.Daemon.Kill()
	var broken []string
	bad := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	e.serve(on, c, bad)
	on.Daemon.Kill()
	whole(e.r, on, bad)
	for _, why := range broken {
		e.r.Violation("%s: %s", c.name, why)
	}
	if len(broken) > 0 {
		keep(e.t, c.im, "R3-cloud "+c.name)
	}
}

// serve starts the collector on an image, asks it for what it had sent Receipts
// for, and gives it more.
func (e *cloudImages) serve(on *cell.Cloud, c cut, bad func(string, ...any)) {
	began := time.Now()
	if err := on.Daemon.TryStart(); err != nil {
		bad("start: %v", err)
		return
	}
	if _, err := on.Daemon.Ready(bound); err != nil {
		bad("not opened: %v", err)
		return
	}
	e.r.Observe("cloud_open_ms", float64(time.Since(began).Milliseconds()))
	e.r.Count("images", 1)
	e.r.Count("cloud_images", 1)
	n, _ := slices.BinarySearchFunc(e.receipts, c.at, func(r cell.Receipted, at int) int { return cmp.Compare(r.At, at) })
	if lost := missing(e.t, on, envelopes(e.receipts[:n])); len(lost) > 0 {
		bad("%d things had a Receipt and are gone, such as %s; the image: %s", len(lost), lost[0], c.im)
	}
	e.r.Count("receipts_checked", n)
	f := cell.NewFeed()
	defer f.Close()
	if err := f.Connect(e.t.Context(), on); err != nil {
		bad("edges cannot connect: %v", err)
		return
	}
	now := time.Now().UnixMilli()
	if got, err := f.Send(e.t.Context(), cell.Numbered("meter-4", now-1000, 3), cell.Raised("gate-probe", now)); err != nil || got != 2 {
		bad("%d of 2 new records stored: %v", got, err)
	}
}

// whole checks the database file by SQLite's own tool.
func whole(r *row.Row, on *cell.Cloud, bad func(string, ...any)) { integrity(r, on.Data, bad) }

func integrity(r *row.Row, dir string, bad func(string, ...any)) {
	files, err := filepath.Glob(filepath.Join(dir, "*.db"))
	if err != nil || len(files) == 0 {
		bad("no database: %v", err)
	}
	for _, f := range files {
		out, err := exec.Command("sqlite3", f, "PRAGMA integrity_check; PRAGMA foreign_key_check;").CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != "ok" {
			bad("%s: %v %s", filepath.Base(f), err, out)
		}
		r.Count("integrity_checks", 1)
	}
}

func envelopes(rs []cell.Receipted) (out []envelope.Envelope) {
	for _, r := range rs {
		out = append(out, r.Envelope)
	}
	return out
}

// missing are the contents of Envelopes that a collector does not show.
func missing(t *testing.T, on *cell.Cloud, es []envelope.Envelope) (out []string) {
	held := map[string]map[int64]float64{}
	tickets, err := on.API.Tickets(t.Context(), "estate="+cell.Estate)
	if err != nil {
		return []string{err.Error()}
	}
	ids := map[string]bool{}
	for _, k := range tickets {
		ids[k.ID] = true
		for _, a := range k.Aliases {
			ids[a] = true
		}
	}
	now := time.Now().UnixMilli()
	for _, d := range cell.Meters() {
		points, err := on.API.Series(t.Context(), cell.Estate+":"+d, "count", now-4*3600_000, now+60_000)
		if err != nil && len(es) > 0 {
			return []string{err.Error()}
		}
		held[d] = map[int64]float64{}
		for _, p := range points {
			if p.Value != nil {
				held[d][p.AtMS] = *p.Value
			}
		}
	}
	for _, e := range es {
		out = append(out, lacks(e, held, ids)...)
	}
	return out
}

func lacks(e envelope.Envelope, held map[string]map[int64]float64, tickets map[string]bool) (out []string) {
	for _, s := range e.Samples {
		if v, ok := held[s.Key.Device][s.AtMS]; !ok || v != s.Value {
			out = append(out, fmt.Sprintf("%s at %d = %v (%v, %t)", s.Key.Device, s.AtMS, s.Value, v, ok))
		}
	}
	for _, x := range e.Transitions {
		if !tickets[string(x.Ticket)] {
			out = append(out, "ticket of "+x.Subject.Device)
		}
	}
	return out
}
