package disk_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/cell"
	"github.com/linshao/linshao/simulators/e2e/chaos/powercut"
)

// fault is one way of making system calls fail.
type fault struct {
	calls, what string
	// when is strace's word for which calls of a thread fail.
	when string
	// lasting: once it began it does not end before the process does.
	lasting bool
}

func (f fault) String() string { return f.calls + ":" + f.what + ":when=" + f.when }

// kinds are the calls and the errors of the row. strace can only pretend that
// a write was short; to pretend that some bytes were written which were not
// would be a lie of the disk, so the pretended write is one of 0 bytes. Writes
// that are really short happen on full disks (R5).
func kinds() (out []fault) {
	for _, calls := range []string{"pwrite64,write", "fsync,fdatasync", "ftruncate,fallocate", "renameat", "openat", "unlinkat"} {
		for _, e := range []string{"EIO", "ENOSPC", "EINTR"} {
			out = append(out, fault{calls: calls, what: "error=" + e})
		}
	}
	return append(out, fault{calls: "pwrite64", what: "retval=0"}, fault{calls: "openat", what: "error=EMFILE"})
}

// pick makes case i: each kind in turn, the n-th call with small n as often as
// large ones, once, some times or from then on.
func pick(i int, r *rand.Rand) fault {
	all := kinds()
	f := all[i%len(all)]
	// strace counts each thread on its own, so that these are parts of the
	// number of calls; the report tells the number among all.
	n := 1 + r.IntN(1<<(1+r.IntN(6)))
	switch f.calls {
	case "openat":
		n = 1 + r.IntN(12)
	case "renameat", "unlinkat":
		n = 1 + r.IntN(3)
	case "ftruncate,fallocate":
		n = 1
	}
	f.when = fmt.Sprint(n)
	switch r.IntN(4) {
	case 0:
		f.when = fmt.Sprintf("%d..%d", n, n+1+r.IntN(8))
	case 1:
		f.when, f.lasting = fmt.Sprintf("%d+", n), true
		if f.what == "error=EINTR" {
			f.when, f.lasting = fmt.Sprintf("%d..%d", n, n+30), false // no disk interrupts for ever
		}
	}
	return f
}

// injector is the command line that makes calls on files of a data folder
// fail, and writes down which.
func injector(trace string, f fault, paths []string) []string {
	argv := []string{
		"strace", "-f", "-y", "-xx", "-s", "0", "--seccomp-bpf", "-o", trace,
		"-e", "trace=openat,fsync,fdatasync," + f.calls, "-e", "inject=" + f.calls + ":" + f.what + ":when=" + f.when,
	}
	for _, p := range paths {
		argv = append(argv, "-P", p)
	}
	return append(argv, "--")
}

// dataFiles are the paths of everything an edge keeps.
func dataFiles(data string) []string {
	box := filepath.Join(data, "outbox")
	out := []string{data, box, filepath.Join(data, "format"), filepath.Join(data, "format.new")}
	for _, n := range []string{"state", "boots", "alarm.mark", "samples.mark", "reserve"} {
		out = append(out, filepath.Join(box, n), filepath.Join(box, n+".new"))
	}
	for _, log := range []string{"alarm", "samples"} {
		dir := filepath.Join(box, log)
		out = append(out, dir, filepath.Join(dir, "list"), filepath.Join(dir, "list.new"))
		out = append(out, segments(data, log)...)
	}
	return out
}

// segments are the paths of the first segments of one log.
func segments(data, log string) (out []string) {
	for id := range 24 {
		out = append(out, filepath.Join(data, "outbox", log, fmt.Sprintf("%016x.seg", id)))
	}
	return out
}

func TestChaosR6(t *testing.T) {
	r := row.Begin(t, "R6", "system calls on files fail")
	needTool(r, "strace")
	dir := fast(t)
	free := make(chan *cell.Cell, 3)
	for i := range cap(free) {
		free <- smallCell(t, filepath.Join(dir, fmt.Sprint("cell-", i)), "")
	}
	before := usedData(t, filepath.Join(dir, "template"))
	var wg sync.WaitGroup
	// Some faults come too late for their run; those do not count.
	want := r.N(12, 1200)
	var hit atomic.Int64
	for i := 0; int(hit.Load()) < want && i < 3*want; i++ {
		c := <-free
		wg.Go(func() {
			defer func() { free <- c }()
			if runFault(r, c, before, i) {
				hit.Add(1)
			}
		})
	}
	wg.Wait()
	r.Load(float64(want), float64(hit.Load()))
}

// runFault runs one case and puts what it shows on the row; it reports whether
// a call failed.
func runFault(r *row.Row, c *cell.Cell, before string, i int) bool {
	rng := r.Rand(i)
	s := story{c: c, rng: rng, f: pick(i, rng), paths: dataFiles(c.Data), j: cell.NewJournal()}
	if i%2 == 1 {
		s.before = before // with a backlog and a segment that nobody sealed
	}
	s.run()
	for _, v := range s.violations {
		r.Violation("case %d, seed %d, %v: %s", i, r.Seed(i), s.f, v)
	}
	r.Count("runs", 1)
	r.Count("acked_messages", len(s.j.Acked()))
	r.Count("oldest_dropped_and_told", s.dropped)
	if s.stopped {
		r.Count("fail_stops", 1)
	}
	if s.faults == nil || len(s.faults.Injected) == 0 {
		r.Count("runs_without_a_fault", 1)
		return false
	}
	r.Count("runs_with_faults", 1)
	r.Count("faults", len(s.faults.Injected))
	r.Observe("first_fault_nth_call", float64(s.faults.Injected[0].Nth))
	r.Count("kind "+s.f.calls+" "+s.f.what, 1)
	return true
}

// usedData is a data folder as a killed edge leaves it, with a backlog.
func usedData(t *testing.T, dir string) string {
	t.Helper()
	c := smallCell(t, dir, "")
	c.Collector.Silence(true)
	c.Edge.Start()
	_, err := c.Edge.Ready(bound)
	must(t, err)
	ts := time.Now().Add(-time.Hour).UnixMilli()
	j := cell.NewJournal()
	for g := range 4 {
		var ms []*cell.Message
		for i := range int64(20) {
			ms = append(ms, cell.Sample(gates-1-g, "earlier", ts+i, float64(i)))
		}
		_, err := c.Publish(j, gates-1-g, append(ms, cell.Forced(gates-1-g, ts))...)
		must(t, err)
	}
	c.Edge.Kill()
	return c.Data
}

// story is one case: a life with faults, then one without.
type story struct {
	c      *cell.Cell
	rng    *rand.Rand
	f      fault
	before string
	// paths are the files whose calls fail.
	paths   []string
	j       *cell.Journal
	faults  *powercut.Faults
	stopped bool
	// dropped is how much made room and was told.
	dropped    int
	violations []string
}

func (s *story) violate(format string, args ...any) {
	s.violations = append(s.violations, fmt.Sprintf(format, args...))
}

func (s *story) run() {
	defer s.c.Edge.Kill()
	if err := s.prepare(); err != nil {
		s.violate("harness: %v", err)
		return
	}
	s.c.Collector.Restart(nil)
	trace := filepath.Join(s.c.Dir, "faults")
	s.c.Edge.Spec.Wrap = injector(trace, s.f, s.paths)
	if err := s.c.Edge.TryStart(); err != nil {
		s.violate("harness: %v", err)
		return
	}
	if _, err := s.c.Edge.Ready(bound); err == nil {
		s.load()
	} else if !errors.Is(err, os.ErrProcessDone) && s.c.Edge.Running() {
		s.violate("hangs at the start: %v", err)
	}
	s.endFirst()
	s.c.Edge.Spec.Wrap = nil
	s.readFaults(trace)
	s.second()
}

func (s *story) prepare() error {
	if err := os.RemoveAll(s.c.Data); err != nil {
		return err
	}
	if s.before == "" {
		return nil
	}
	return os.CopyFS(s.c.Data, os.DirFS(s.before))
}

// load has gates tell numbered samples and alarms; what fails is not told
// again, so that each message has one fate.
func (s *story) load() {
	ts := time.Now().UnixMilli() - 10_000
	hangs := 0
	for round := range 14 {
		g := round % 7
		var ms []*cell.Message
		for range 4 + s.rng.IntN(12) {
			ts++
			ms = append(ms, cell.Sample(g, "passages", ts, float64(ts%1000)))
		}
		if round%3 == 0 {
			ts++
			ms = append(ms, cell.Forced(g, ts))
		}
		if round == 5 {
			s.c.Collector.Silence(true)
		}
		_, err := s.c.Publish(s.j, g, ms...)
		if errors.Is(err, cell.ErrHung) {
			hangs++
		}
		if !s.c.Edge.Running() || hangs > 1 {
			break
		}
		if round == 9 {
			s.c.Collector.Silence(false)
		}
	}
	s.c.Collector.Silence(false)
	if hangs > 0 && !s.f.lasting {
		s.violate("%d connections got no answer, though the fault did not last", hangs)
	}
}

// endFirst ends the first life, if it has not ended itself: with an error, as
// it may, and not by a crash.
func (s *story) endFirst() {
	e := s.c.Edge
	if e.Running() {
		sig := []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[s.rng.IntN(2)]
		_ = syscall.Kill(e.PID(), sig) // it may just have ended
		if !endsWithin(e.Done(), bound) {
			s.violate("does not stop")
			e.Kill()
		}
		if sig == syscall.SIGKILL {
			return
		}
	} else {
		s.stopped = true
	}
	if code := e.State().ExitCode(); code != 0 && code != 1 {
		s.violate("crashed: %v", e.State())
	}
}

func endsWithin(done <-chan struct{}, d time.Duration) bool {
	limit := time.NewTimer(d)
	defer limit.Stop()
	select {
	case <-done:
		return true
	case <-limit.C:
		return false
	}
}

func (s *story) readFaults(trace string) {
	f, err := os.Open(trace)
	if err != nil {
		s.violate("harness: %v", err)
		return
	}
	defer f.Close()
	if s.faults, err = powercut.ReadFaults(f); err != nil {
		s.violate("harness: %v", err)
		return
	}
	for _, p := range s.faults.Resynced {
		s.violate("%s was trusted again after a sync of it had failed", filepath.Base(p))
	}
}

// second starts the edge without faults: everything acknowledged comes, once.
func (s *story) second() {
	e := s.c.Edge
	if err := e.TryStart(); err != nil {
		s.violate("harness: %v", err)
		return
	}
	if err := s.c.Drain(bound); err != nil {
		s.violate("after the faults: %v", err)
		return
	}
	held := s.c.Collector.Held()
	gone := s.j.Missing(held)
	// Where there is no space the oldest that wait may go, and that is told.
	if len(gone) > 0 && !(s.f.what == "error=ENOSPC" && toldOfFull(held)) {
		s.violate("%v was acknowledged and is gone, with %d more", gone[0], len(gone)-1)
	}
	s.dropped = len(gone)
	if s.before == "" {
		for _, why := range held.Invented(s.j.Said) {
			s.violate("%s", why)
		}
	} else if held.Count("earlier") != 80 && !toldOfFull(held) {
		s.violate("%d of 80 earlier samples came", held.Count("earlier"))
	}
	for _, m := range s.j.Acked() {
		for f := range m.Facts() {
			if ids := held.Raised(f.Device, "forced"); f.Event && len(ids) != 1 {
				s.violate("%d tickets of %v", len(ids), f)
			}
		}
	}
	probe := cell.Sample(0, "probe", time.Now().UnixMilli(), 1)
	if _, err := s.c.Publish(s.j, 0, probe); err != nil {
		s.violate("after the faults nothing is taken: %v", err)
		return
	}
	// Nothing of this story may reach the collector in the next.
	if err := s.c.Drain(bound); err != nil {
		s.violate("after the faults: %v", err)
	}
}
