package disk_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/cell"
)

const mib = 1 << 20

// healed is how soon an edge must take samples again once there is space.
const healed = 5 * time.Second

// TestChaosR5 fills the disk under an edge, in one of two ways, under load.
func TestChaosR5(t *testing.T) {
	r := row.Begin(t, "R5", "disk full, files too large")
	needTool(r, "prlimit")
	dir := t.TempDir()
	if why := mountable(t, filepath.Join(dir, "probe")); why != nil {
		r.NotRun(fmt.Sprintf("a file system cannot be mounted: %v", why))
	}
	var wg sync.WaitGroup
	free := make(chan *fillable, 3)
	for i := range cap(free) {
		free <- newFillable(t, filepath.Join(dir, fmt.Sprint("cell-", i)))
	}
	for i := range r.N(4, 200) {
		c := <-free
		wg.Go(func() {
			defer func() { free <- c }()
			runFull(r, c, i)
		})
	}
	wg.Wait()
}

// mountable tries to mount a small file system.
func mountable(t *testing.T, dir string) error {
	t.Helper()
	must(t, os.MkdirAll(dir, 0o700))
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		return err
	}
	return syscall.Unmount(dir, syscall.MNT_DETACH)
}

// fillable is an edge on a small file system of its own.
type fillable struct {
	*cell.Cell
	smallDisk
}

func newFillable(t *testing.T, dir string) *fillable {
	t.Helper()
	f := &fillable{smallDisk: newSmallDisk(t, dir)}
	f.Cell = cell.New(t, dir, cell.Options{
		Gates: 2 + manyAlarms/3, Data: f.data(), Extra: "outbox: {max_bytes: 32MiB, min_free: 0}\n",
	})
	return f
}

// smallDisk is where a small file system is mounted.
type smallDisk string

// newSmallDisk makes the place; it is unmounted when the test ends, after
// every daemon that is made later.
func newSmallDisk(t *testing.T, dir string) smallDisk {
	t.Helper()
	d := smallDisk(filepath.Join(dir, "disk"))
	must(t, os.MkdirAll(string(d), 0o700))
	t.Cleanup(func() { _ = syscall.Unmount(string(d), syscall.MNT_DETACH) }) // not mounted is as good
	return d
}

// data is the data folder of a daemon on the disk.
func (d smallDisk) data() string { return filepath.Join(string(d), "data") }

// mount makes it a fresh disk.
func (d smallDisk) mount(size int) error {
	_ = syscall.Unmount(string(d), syscall.MNT_DETACH) // there is none the first time
	return syscall.Mount("tmpfs", string(d), "tmpfs", 0, fmt.Sprintf("size=%d,mode=700", size))
}

// fill leaves spare bytes of the disk free.
func (d smallDisk) fill(spare int64) error {
	ballast, err := os.Create(filepath.Join(string(d), "ballast"))
	if err != nil {
		return err
	}
	defer ballast.Close()
	for {
		var st syscall.Statfs_t
		if err := syscall.Statfs(string(d), &st); err != nil {
			return err
		}
		free := int64(st.Bavail)*int64(st.Bsize) - spare //nolint:unconvert // the types differ between systems
		if free <= 0 {
			return nil
		}
		// The daemon may take some of it meanwhile.
		if err := syscall.Fallocate(int(ballast.Fd()), 0, 0, free); !errors.Is(err, syscall.ENOSPC) {
			return err
		}
	}
}

func (d smallDisk) empty() error {
	err := os.Remove(filepath.Join(string(d), "ballast"))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// full is one case.
type full struct {
	*fillable
	r   *row.Row
	rng *rand.Rand
	j   *cell.Journal
	ts  int64
	bad func(string, ...any)
	// raises is how many alarms there are while the disk is full.
	raises int
}

// manyAlarms is how many alarms the reserve must have room for.
const manyAlarms = 1020

// runFull runs case i: three quarters fill the disk, the rest bound how large
// a file may get, so that writes are short.
func runFull(r *row.Row, c *fillable, i int) {
	x := full{fillable: c, r: r, rng: r.Rand(i), j: cell.NewJournal(), ts: time.Now().Add(-time.Hour).UnixMilli()}
	x.bad = func(format string, args ...any) {
		r.Violation("case %d, seed %d: %s", i, r.Seed(i), fmt.Sprintf(format, args...))
	}
	defer c.Edge.Kill()
	c.Collector.Restart(nil)
	size := (12 + x.rng.IntN(20)) * mib
	c.Edge.Spec.Wrap = nil
	if i%4 == 3 {
		size = 64 * mib
		c.Edge.Spec.Wrap = []string{"prlimit", fmt.Sprintf("--fsize=%d", 64<<10+x.rng.IntN(3*mib)), "--"}
		r.Count("file_size_runs", 1)
	} else {
		x.raises = 30
		if i%20 == 0 && r.Full() {
			x.raises = manyAlarms
		}
		r.Count("full_disk_runs", 1)
	}
	if err := c.mount(size); err != nil {
		x.bad("harness: %v", err)
		return
	}
	if err := c.Edge.TryStart(); err != nil {
		x.bad("harness: %v", err)
		return
	}
	if _, err := c.Edge.Ready(bound); err != nil {
		x.bad("not ready: %v", err)
		return
	}
	if i%4 == 3 {
		x.tooLarge()
	} else {
		x.fullDisk()
	}
	r.Count("runs", 1)
	r.Count("acked_messages", len(x.j.Acked()))
	x.afterwards()
}

// samples sends n samples of one gate and returns how many were taken.
func (x *full) samples(gate, n int) (acked int, err error) {
	var ms []*cell.Message
	for range n {
		x.ts++
		ms = append(ms, bulky(gate, x.ts, int(x.ts)))
	}
	return x.Publish(x.j, gate, ms...)
}

// fullDisk fills the disk at a random point of the load: samples are refused,
// alarms go on from the reserve, and space heals everything.
func (x *full) fullDisk() {
	x.Collector.Silence(true)
	for range x.rng.IntN(6) {
		if _, err := x.samples(0, 20); err != nil {
			x.bad("samples refused on a disk with room: %v", err)
		}
	}
	if err := x.fill(x.rng.Int64N(256 << 10)); err != nil {
		x.bad("harness: %v", err)
		return
	}
	// Where a whole segment of older samples waits, that one goes instead;
	// judge wants the collector to be told.
	for range 200 {
		if _, err := x.samples(1, 20); err != nil {
			x.r.Count("runs_that_refused_samples", 1)
			if errors.Is(err, cell.ErrHung) {
				x.bad("samples on a full disk get no answer")
			}
			break
		}
	}
	x.alarms()
	if err := x.empty(); err != nil {
		x.bad("harness: %v", err)
		return
	}
	x.heal()
}

// alarms: tickets are raised while there is no room for samples. Their events
// are samples' company and are not acknowledged, so devices say them again
// later; but people hear at once, from the reserve.
func (x *full) alarms() {
	for i := range x.raises {
		x.ts++
		e := []string{"duress", "door_forced_open", "tamper_alarm"}[i%3]
		if _, err := x.Publish(x.j, 2+i/3, cell.Event(2+i/3, e, x.ts)); errors.Is(err, cell.ErrHung) {
			x.bad("alarm %d got no answer", i)
			return
		}
	}
}

// raised checks that every one of these tickets is there, once.
func (x *full) raised(held *cell.Ledger) {
	n := 0
	for i := range x.raises {
		rule := []string{"duress", "forced", "tamper"}[i%3]
		if ids := held.Raised(cell.Gate(2+i/3), rule); len(ids) == 1 {
			n++
		}
	}
	if n != x.raises {
		x.bad("%d of %d alarms on a full disk became one ticket each", n, x.raises)
	}
	x.r.Count("alarms_from_the_reserve", n)
}

// heal waits until samples are taken again.
func (x *full) heal() {
	began := time.Now()
	for {
		if n, err := x.samples(0, 1); n == 1 && err == nil {
			break
		}
		if time.Since(began) > 2*healed {
			x.bad("samples are still refused %s after there was space", 2*healed)
			return
		}
	}
	took := time.Since(began)
	x.r.Observe("healed_ms", float64(took.Milliseconds()))
	if took > healed {
		x.bad("healed only after %s", took)
	}
}

// tooLarge writes more than a file may hold: writes are short, or signalled.
func (x *full) tooLarge() {
	x.Collector.Silence(true) // what it keeps now it has forgotten afterwards
	for g := range 20 {
		if _, err := x.samples(g, 25); errors.Is(err, cell.ErrHung) {
			x.bad("a file that is too large hangs the edge")
		}
		x.ts++
		if n, err := x.Publish(x.j, g, cell.Forced(g, x.ts)); n != 1 {
			x.r.Count("alarms_refused_by_file_size", 1)
			if errors.Is(err, cell.ErrHung) {
				x.bad("an alarm hangs: %v", err)
			}
		}
	}
}

// afterwards: the edge lived through it, and after another start everything
// acknowledged comes.
func (x *full) afterwards() {
	if !x.Edge.Running() {
		x.bad("the edge ended: %v", x.Edge.State())
	}
	x.Edge.Kill()
	x.Edge.Spec.Wrap = nil
	x.Collector.Silence(false)
	x.Collector.Restart(nil)
	if err := x.Edge.TryStart(); err != nil {
		x.bad("harness: %v", err)
		return
	}
	if err := x.Drain(bound); err != nil {
		x.bad("after the faults: %v", err)
		return
	}
	held := x.Collector.Held()
	x.raised(held)
	x.judge(held)
	for _, why := range held.Invented(x.j.Said) {
		x.bad("%s", why)
	}
}

// judge: what was acknowledged came, or it was the oldest and made room for
// newer samples, and the collector was told so.
func (x *full) judge(held *cell.Ledger) {
	gone, oldest := x.j.Missing(held), held.Oldest()
	for _, f := range gone {
		if f.TS >= oldest || !toldOfFull(held) {
			x.bad("%v was acknowledged and is gone; the oldest that came is of %d, gaps %v", f, oldest, held.Lost())
			return
		}
	}
	x.r.Count("oldest_dropped_and_told", len(gone))
}

// toldOfFull reports whether the collector was told that something made room.
func toldOfFull(held *cell.Ledger) bool {
	return slices.ContainsFunc(held.Lost(), func(g envelope.Gap) bool { return g.Reason == "dropped_full" })
}
