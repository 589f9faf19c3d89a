package disk_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/cell"
)

// TestChaosR5Cloud fills the disk under the collector, in one of two ways,
// while an edge sends samples and tickets.
func TestChaosR5Cloud(t *testing.T) {
	r := row.Begin(t, "R5-cloud", "disk full, files too large, under the collector")
	needTool(r, "prlimit")
	needTool(r, "sqlite3")
	dir := t.TempDir()
	if why := mountable(t, filepath.Join(dir, "probe")); why != nil {
		r.NotRun(fmt.Sprintf("a file system cannot be mounted: %v", why))
	}
	like := cell.NewCloud(t, filepath.Join(dir, "like"), cell.CloudOptions{})
	free := make(chan *fillableCloud, 2)
	for i := range cap(free) {
		at := filepath.Join(dir, fmt.Sprint("cell-", i))
		d := newSmallDisk(t, at)
		free <- &fillableCloud{d, cell.NewCloud(t, at, cell.CloudOptions{Data: d.data(), Like: like})}
	}
	var wg sync.WaitGroup
	for i := range r.N(3, 40) {
		on := <-free
		wg.Go(func() {
			defer func() { free <- on }()
			x := fullCloud{t: t, r: r, fillableCloud: on, rng: r.Rand(i), before: like.Data, limited: i%2 == 1, dies: i%3 == 2}
			x.load = newCloudLoad()
			x.bad = func(format string, args ...any) {
				r.Violation("case %d, seed %d: %s", i, r.Seed(i), fmt.Sprintf(format, args...))
			}
			x.run()
		})
	}
	wg.Wait()
}

// fillableCloud is a collector on a small file system of its own.
type fillableCloud struct {
	smallDisk
	*cell.Cloud
}

// fullCloud is one case.
type fullCloud struct {
	t *testing.T
	r *row.Row
	*fillableCloud
	rng    *rand.Rand
	before string
	// limited: not the disk is full, but no file may grow beyond a size.
	limited bool
	// dies: it is killed before there is space again.
	dies bool
	load *cloudLoad
	bad  func(string, ...any)
}

func (x *fullCloud) run() {
	defer x.Daemon.Kill()
	x.Daemon.Spec.Wrap = nil
	if x.limited {
		x.Daemon.Spec.Wrap = []string{"prlimit", fmt.Sprintf("--fsize=%d:unlimited", mib+x.rng.IntN(3*mib)), "--"}
	}
	err := x.mount((112 + x.rng.IntN(64)) * mib) // samples leave 64 MiB
	if err == nil {
		err = os.CopyFS(x.Data, os.DirFS(x.before))
	}
	if err == nil {
		err = x.Daemon.TryStart()
	}
	if err != nil {
		x.bad("harness: %v", err)
		return
	}
	if _, err := x.Daemon.Ready(bound); err != nil {
		x.bad("not ready: %v", err)
		return
	}
	defer x.load.Close()
	x.serve()
	x.load.Close()
	x.afterwards()
}

// serve is the life with a full disk, and without one again.
func (x *fullCloud) serve() {
	if err := x.load.Connect(x.t.Context(), x.Cloud); err != nil {
		x.bad("cannot connect: %v", err)
		return
	}
	x.load.Patience = 5 * time.Second
	for range x.rng.IntN(6) {
		if err := x.load.round(x.t.Context()); err != nil {
			x.bad("no Receipts on a disk with room: %v", err)
		}
	}
	if !x.limited {
		spare := x.rng.Int64N(256 << 10)
		if x.rng.IntN(4) == 0 {
			spare = 40 * mib // no samples, but tickets
		}
		if err := x.fill(spare); err != nil {
			x.bad("harness: %v", err)
			return
		}
	}
	x.load.Patience = 300 * time.Millisecond
	stopped := false
	for i := 0; i < 400 && !stopped; i++ {
		err := x.load.round(x.t.Context())
		stopped = errors.Is(err, cell.ErrHung)
		if err != nil && !stopped {
			x.bad("the edge is cut off: %v", err)
			return
		}
	}
	if stopped {
		x.r.Count("runs_without_receipts", 1)
	}
	if x.limited {
		x.r.Count("file_size_runs", 1)
	} else {
		x.r.Count("full_disk_runs", 1)
	}
	if _, err := x.API.Tickets(x.t.Context(), "estate="+cell.Estate); err != nil {
		x.bad("a full disk keeps people from reading: %v", err)
	}
	if x.dies {
		x.Daemon.Kill()
		if err := x.empty(); err != nil {
			x.bad("harness: %v", err)
		}
		return
	}
	x.heal()
}

// heal gives space back and waits until the edge has nothing left.
func (x *fullCloud) heal() {
	if err := x.space(); err != nil {
		x.bad("harness: %v", err)
		return
	}
	began := time.Now()
	err := x.load.round(x.t.Context())
	for err != nil && time.Since(began) < 4*healed && x.Daemon.Running() {
		_, err = x.load.Resend(x.t.Context())
	}
	took := time.Since(began)
	x.r.Observe("healed_ms", float64(took.Milliseconds()))
	if err != nil {
		x.bad("%d Envelopes have no Receipt %s after there was space: %v", x.load.Waiting(), took, err)
	} else if took > healed {
		x.bad("healed only after %s", took)
	}
}

func (x *fullCloud) space() error {
	if !x.limited {
		return x.empty()
	}
	return exec.Command("prlimit", "--pid", strconv.Itoa(x.Daemon.PID()), "--fsize=unlimited").Run()
}

// afterwards: the collector lived through it, and after another start it has
// everything that it sent a Receipt for.
func (x *fullCloud) afterwards() {
	if !x.Daemon.Running() && !x.dies {
		x.bad("the collector ended: %v", x.Daemon.State())
	}
	if !x.dies && x.rng.IntN(2) == 0 {
		_ = syscall.Kill(x.Daemon.PID(), syscall.SIGTERM) // it may have ended
		if !endsWithin(x.Daemon.Done(), bound) {
			x.bad("does not stop")
		}
	}
	x.Daemon.Kill()
	x.Daemon.Spec.Wrap = nil
	x.load.judge(x.t, x.r, x.Cloud, x.bad)
	x.r.Count("runs", 1)
}

// cloudLoad is an edge that sends numbered samples, in order and late ones, and
// a ticket in each round.
type cloudLoad struct {
	*cell.Feed
	ts    int64
	gates int
}

func newCloudLoad() *cloudLoad {
	return &cloudLoad{Feed: cell.NewFeed(), ts: time.Now().Add(-time.Hour).UnixMilli()}
}

// round sends one of each kind.
func (l *cloudLoad) round(ctx context.Context) error {
	l.ts += 40
	l.gates++
	late := l.ts - 30*60_000 - int64(l.gates)*1000
	_, err := l.Send(ctx,
		cell.Numbered("meter-1", l.ts, 40), cell.Raised(fmt.Sprint("gate-", l.gates), l.ts), cell.Numbered("meter-3", late, 20))
	return err
}

// judge starts the collector without faults: everything that had a Receipt is
// there, what had none is taken now, and no ticket is there twice.
func (l *cloudLoad) judge(t *testing.T, r *row.Row, on *cell.Cloud, bad func(string, ...any)) {
	defer whole(r, on, bad)
	defer on.Daemon.Kill()
	if err := on.Daemon.TryStart(); err != nil {
		bad("harness: %v", err)
		return
	}
	if _, err := on.Daemon.Ready(bound); err != nil {
		bad("does not open after the faults: %v", err)
		return
	}
	if lost := missing(t, on, l.Stored()); len(lost) > 0 {
		bad("%d things had a Receipt and are gone, such as %s", len(lost), lost[0])
	}
	r.Count("receipts", len(l.Stored()))
	l.Patience = 5 * time.Second
	if err := l.Connect(t.Context(), on); err != nil {
		bad("edges cannot connect after the faults: %v", err)
		return
	}
	defer l.Close()
	if _, err := l.Resend(t.Context()); err != nil {
		bad("after the faults: %v", err)
	}
	if err := l.round(t.Context()); err != nil {
		bad("nothing is taken after the faults: %v", err)
	}
	if lost := missing(t, on, l.Stored()); len(lost) > 0 {
		bad("%d things are gone at last, such as %s", len(lost), lost[0])
	}
	tickets, err := on.API.Tickets(t.Context(), "estate="+cell.Estate)
	if err != nil || len(tickets) != l.gates {
		bad("%d tickets for %d conditions: %v", len(tickets), l.gates, err)
	}
}
