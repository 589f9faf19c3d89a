package disk_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/cell"
	"github.com/linshao/linshao/simulators/e2e/chaos/powercut"
)

// TestChaosR6Cloud is R6 for the collector. Its database and its series store
// go on after failures each in their own way, so it is judged by what comes of
// it: the collector ends with an error or goes on, never hangs, and after
// another start all that had a Receipt is there, in a database that is whole.
func TestChaosR6Cloud(t *testing.T) {
	r := row.Begin(t, "R6-cloud", "system calls on files of the collector fail")
	needTool(r, "strace")
	needTool(r, "sqlite3")
	dir := fast(t)
	like := cell.NewCloud(t, filepath.Join(dir, "like"), cell.CloudOptions{})
	fresh := filepath.Join(dir, "fresh")
	must(t, os.CopyFS(fresh, os.DirFS(like.Data)))
	used := usedCloud(t, like)
	free := make(chan *cell.Cloud, 2)
	for i := range cap(free) {
		free <- cell.NewCloud(t, filepath.Join(dir, fmt.Sprint("cell-", i)), cell.CloudOptions{Like: like})
	}
	var wg sync.WaitGroup
	want := r.N(6, 200)
	var hit atomic.Int64
	for i := 0; int(hit.Load()) < want && i < 3*want; i++ {
		on := <-free
		wg.Go(func() {
			defer func() { free <- on }()
			x := cloudFault{t: t, r: r, Cloud: on, rng: r.Rand(i), load: newCloudLoad(), before: fresh}
			if i%2 == 1 {
				x.before, x.load = like.Data, used.copy() // with logs that a kill left behind
			}
			x.f = pickCloud(i, x.rng)
			x.bad = func(format string, args ...any) {
				r.Violation("case %d, seed %d, %v: %s", i, r.Seed(i), x.f, fmt.Sprintf(format, args...))
			}
			if x.run() {
				hit.Add(1)
			}
		})
	}
	wg.Wait()
	r.Load(float64(want), float64(hit.Load()))
}

// usedCloud has the collector take something and kills it.
func usedCloud(t *testing.T, on *cell.Cloud) *cloudLoad {
	t.Helper()
	l := newCloudLoad()
	on.Daemon.Start()
	_, err := on.Daemon.Ready(bound)
	must(t, err)
	must(t, l.Connect(t.Context(), on))
	for range 8 {
		must(t, l.round(t.Context()))
	}
	l.Close()
	on.Daemon.Kill()
	must(t, os.Remove(filepath.Join(on.Data, "admin.sock"))) // a socket cannot be copied
	return l
}

// copy returns an edge like l was, that may go its own way.
func (l *cloudLoad) copy() *cloudLoad { return &cloudLoad{l.Copy(), l.ts, l.gates} }

// pickCloud makes case i: each kind in turn, the n-th call of a thread.
func pickCloud(i int, r *rand.Rand) fault {
	calls := []string{"pwrite64,write", "fsync,fdatasync", "ftruncate,fallocate", "renameat", "openat", "unlinkat"}
	errs := []string{"EIO", "ENOSPC", "EINTR"}
	f := fault{calls: calls[i%len(calls)], what: "error=" + errs[i/len(calls)%len(errs)]}
	n := 1 + r.IntN(1<<(1+r.IntN(6)))
	switch f.calls {
	case "openat":
		n = 1 + r.IntN(12)
	case "renameat", "unlinkat", "ftruncate,fallocate":
		n = 1 + r.IntN(2)
	}
	f.when = fmt.Sprint(n)
	switch r.IntN(4) {
	case 0:
		// So many calls of each of many threads: no start gets past them soon.
		f.when, f.lasting = fmt.Sprintf("%d..%d", n, n+1+r.IntN(8)), true
	case 1:
		if f.what != "error=EINTR" { // no disk interrupts for ever
			f.when, f.lasting = fmt.Sprintf("%d+", n), true
		}
	}
	return f
}

// cloudFiles are the paths of what a collector keeps, but for the blocks, whose
// names nobody knows before.
func cloudFiles(data string) []string {
	out := []string{data}
	for _, n := range []string{"format", "format.new", "linshao.db", "linshao.db-wal", "linshao.db-shm", "linshao.db-journal", "series"} {
		out = append(out, filepath.Join(data, n))
	}
	for _, log := range []string{"wal", "wbl"} {
		dir := filepath.Join(data, "series", log)
		out = append(out, dir)
		for n := range 10 {
			out = append(out, filepath.Join(dir, fmt.Sprintf("%08d", n)))
		}
	}
	heads := filepath.Join(data, "series", "chunks_head")
	out = append(out, heads)
	for n := range 6 {
		out = append(out, filepath.Join(heads, fmt.Sprintf("%06d", n)))
	}
	return out
}

// cloudFault is one case: a life with faults, then one without.
type cloudFault struct {
	t *testing.T
	r *row.Row
	*cell.Cloud
	rng    *rand.Rand
	f      fault
	before string
	load   *cloudLoad
	bad    func(string, ...any)
}

// run reports whether a call failed.
func (x *cloudFault) run() bool {
	defer x.Daemon.Kill()
	defer x.load.Close()
	trace := filepath.Join(x.Dir, "faults")
	err := os.RemoveAll(x.Data)
	if err == nil {
		err = os.CopyFS(x.Data, os.DirFS(x.before))
	}
	if err == nil {
		paths := cloudFiles(x.Data)
		if x.f.calls == "renameat" {
			paths = nil // only blocks are renamed, to names that nobody knows before
		}
		x.Daemon.Spec.Wrap = injector(trace, x.f, paths)
		err = x.Daemon.TryStart()
	}
	if err != nil {
		x.bad("harness: %v", err)
		return false
	}
	patience := bound
	if x.f.lasting {
		patience = 3 * time.Second // it takes tickets, and tries to open its series
	}
	if _, err := x.Daemon.Ready(patience); err == nil {
		x.serve()
	} else if x.Daemon.Running() && !x.f.lasting {
		x.bad("hangs at the start: %v", err)
	}
	x.end()
	x.Daemon.Spec.Wrap = nil
	x.load.judge(x.t, x.r, x.Cloud, x.bad)
	return x.count(trace)
}

// serve sends rounds; what has no Receipt is sent again until it has, or the
// fault turns out to last.
func (x *cloudFault) serve() {
	x.load.Patience = time.Second
	err := x.load.Connect(x.t.Context(), x.Cloud)
	for i := 0; i < 12 && err == nil; i++ {
		err = x.load.round(x.t.Context())
	}
	for began := time.Now(); err != nil && x.Daemon.Running() && time.Since(began) < bound; {
		if errors.Is(err, cell.ErrHung) {
			if x.f.lasting {
				return
			}
			_, err = x.load.Resend(x.t.Context())
			continue
		}
		x.load.Close()
		if err = x.load.Connect(x.t.Context(), x.Cloud); err != nil {
			if x.f.lasting {
				return
			}
			continue
		}
		_, err = x.load.Resend(x.t.Context())
	}
	if err != nil && x.Daemon.Running() {
		x.bad("hangs, %d Envelopes have no Receipt: %v", x.load.Waiting(), err)
	}
}

// end ends the first life, if it has not ended itself.
func (x *cloudFault) end() {
	x.load.Close()
	if !x.Daemon.Running() {
		x.r.Count("fail_stops", 1)
	} else {
		sig := []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL}[x.rng.IntN(2)]
		if pid := x.Daemon.PID(); pid > 0 {
			_ = syscall.Kill(pid, sig) // it may just have ended
		}
		if !endsWithin(x.Daemon.Done(), bound) {
			x.bad("does not stop")
			x.Daemon.Kill()
			return
		}
		if sig == syscall.SIGKILL {
			return
		}
	}
	code := x.Daemon.State().ExitCode()
	if code == 0 || code == 1 {
		return
	}
	// The library of the series panics where it cannot write one kind of file,
	// also on goroutines of its own. That is no more than an end.
	if why := lastPanic(x.Daemon.LogPath()); strings.Contains(why, "tsdb.handleChunkWriteError") {
		x.r.Count("ended_by_the_library", 1)
	} else {
		x.bad("crashed: %v: %s", x.Daemon.State(), why)
	}
}

// lastPanic is what a daemon's log says of its crash.
func lastPanic(log string) string {
	b, err := os.ReadFile(log)
	if err != nil {
		return err.Error()
	}
	at := max(bytes.LastIndex(b, []byte("\npanic: ")), bytes.LastIndex(b, []byte("\nfatal error: ")), 0)
	return string(b[at:min(at+2000, len(b))])
}

func (x *cloudFault) count(trace string) bool {
	x.r.Count("runs", 1)
	f, err := os.Open(trace)
	if err != nil {
		x.bad("harness: %v", err)
		return false
	}
	defer f.Close()
	faults, err := powercut.ReadFaults(f)
	if err != nil {
		x.bad("harness: %v", err)
		return false
	}
	if len(faults.Injected) == 0 {
		x.r.Count("runs_without_a_fault", 1)
		return false
	}
	x.r.Count("runs_with_faults", 1)
	x.r.Count("faults", len(faults.Injected))
	x.r.Observe("first_fault_nth_call", float64(faults.Injected[0].Nth))
	x.r.Count("kind "+x.f.calls+" "+x.f.what, 1)
	return true
}
