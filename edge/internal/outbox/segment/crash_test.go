package segment_test

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// The power is cut, or the process killed, at random calls of random histories:
// what was acknowledged is there, what is there was appended, no Index is
// served with two records or issued after it was, and a log that only lost
// power never claims to have lost its end.
func TestPowerCuts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t, vfs.NewMem())
		shown := map[segment.Index]string{} // acknowledged or served, ever
		for range rapid.IntRange(1, 5).Draw(rt, "lives") {
			r.fs = live(rt, r, shown)
			r.open()
			if !r.found.Proven {
				rt.Fatalf("not proven after a power cut: %+v", r.found)
			}
			if n := fmt.Sprint(r.found.Notes); strings.Contains(n, "missing") {
				rt.Fatalf("a listed segment is not there: %s", n) // [S-1.2]
			}
			got, damaged := read(t, r.log)
			for x, b := range r.acked {
				if got[x] != b {
					rt.Fatalf("acknowledged record %d: have %q, want %q (%+v, damaged %+v)", x, got[x], b, r.found, damaged)
				}
			}
			for x, b := range got {
				if old, ok := shown[x]; ok && old != b {
					rt.Fatalf("record %d is %q, was %q", x, b, old)
				}
				shown[x] = b
			}
			check(t, r.log.Close())
		}
	})
}

// One history, cut at every call: first the process is killed or the power cut,
// then, after a start that may have gone on, the power is cut again. Whatever
// was shown after the first is still there after the second, nothing is ever
// in doubt, and nothing listed is missing [S-1.2].
func TestEveryCallCutTwice(t *testing.T) {
	t.Parallel()
	history := func(r *rig) {
		for i := range 12 {
			check(t, r.append(body(3*i), body(3*i+1), body(3*i+2)))
			if i == 8 {
				check(t, r.log.Truncate(10))
			}
		}
		check(t, r.log.Close())
	}
	for at := 1; ; at++ {
		fired := false
		for seed := range uint64(40) {
			var first *vfs.Mem
			m := vfs.NewMem()
			r := &rig{t: t, o: segment.Options{SegmentBytes: 1024, Lease: 8}, acked: map[segment.Index]string{}, tried: map[segment.Index]string{}}
			check(t, m.MkdirAll(dir))
			acked := map[segment.Index]string{}
			r.fs = vfs.NewFaulty(m, func(op vfs.Op) error {
				if op.Any == at {
					fired, acked = true, maps.Clone(r.acked)
					if first = m.Clone(); seed%2 == 0 {
						first = m.Crash(seed)
					}
				}
				return nil
			})
			r.open()
			history(r)
			if first == nil {
				break
			}
			r.fs, r.acked, r.tried = first, map[segment.Index]string{}, map[segment.Index]string{}
			r.open()
			shown, _ := read(t, r.log)
			if seed%4 > 1 {
				check(t, r.append("going on"))
			}
			r.fs = first.Crash(seed)
			r.open()
			again, _ := read(t, r.log)
			begun := r.found.Proven || len(acked) == 0 // before its life began, none can be proven
			if n := fmt.Sprint(r.found.Notes); !begun || strings.Contains(n, "missing") && r.found.Proven {
				t.Errorf("cut at %d, seed %d: %+v", at, seed, r.found)
			}
			maps.DeleteFunc(acked, func(i segment.Index, _ string) bool { return i < 10 }) // may be truncated
			maps.Copy(acked, shown)
			for i, b := range acked {
				if again[i] != b {
					t.Errorf("cut at %d, seed %d: record %d is %q, was %q", at, seed, i, again[i], b)
				}
			}
		}
		if !fired {
			return
		}
	}
}

// live opens the log on r.fs, lives through a random history, and returns the
// disk as it was at a random call of it.
func live(rt *rapid.T, r *rig, shown map[segment.Index]string) *vfs.Mem {
	m := r.fs.(*vfs.Mem)
	at, seed := rapid.IntRange(1, 60).Draw(rt, "call"), rapid.Uint64().Draw(rt, "seed")
	kill := rapid.Bool().Draw(rt, "kill")
	var crashed *vfs.Mem
	f := vfs.NewFaulty(m, func(op vfs.Op) error {
		if op.Any == at {
			if crashed = m.Crash(seed); kill {
				crashed = m.Clone()
			}
		}
		return nil
	})
	l, _, err := segment.Open(f, dir, markName, segment.Samples, r.o)
	check(r.t, err)
	var order []segment.Index
	for i := range rapid.IntRange(1, 12).Draw(rt, "batches") {
		var items []segment.Item
		for k := range rapid.IntRange(1, 5).Draw(rt, "size") {
			items = append(items, segment.Item{Body: []byte(body(rapid.IntRange(0, 200).Draw(rt, "body") + i + k))})
		}
		first, err := l.Append(items)
		check(r.t, err)
		if crashed != nil {
			return crashed
		}
		for k, it := range items {
			x := first + segment.Index(k)
			if old, twice := shown[x]; twice {
				rt.Fatalf("index %d given to %q and %q", x, old, it.Body)
			}
			shown[x], r.acked[x] = string(it.Body), string(it.Body)
			order = append(order, x)
		}
		if rapid.IntRange(0, 5).Draw(rt, "truncate") == 0 {
			upTo := order[len(order)/2]
			check(r.t, l.Truncate(upTo))
			maps.DeleteFunc(r.acked, func(x segment.Index, _ string) bool { return x < upTo })
		}
	}
	check(r.t, l.Close())
	if crashed == nil {
		crashed = m.Crash(seed)
	}
	return crashed
}

// The n-th call of each kind fails, once or for good. Nothing is acknowledged
// that is not there after a power cut, a failed sync is never followed by
// another on the same file, and the log recovers once the disk does.
func TestDiskErrors(t *testing.T) {
	t.Parallel()
	kinds := []vfs.Kind{
		vfs.OpCreate, vfs.OpOpen, vfs.OpEdit, vfs.OpRemove, vfs.OpRename, vfs.OpSyncDir,
		vfs.OpWrite, vfs.OpSync, vfs.OpAllocate, vfs.OpTruncate, vfs.OpRead,
	}
	faults := []error{syscall.EIO, syscall.ENOSPC, io.ErrShortWrite}
	for _, k := range kinds {
		for n := 1; n <= 200; n++ {
			for _, fault := range faults[:1+2*btoi(k == vfs.OpWrite || k == vfs.OpAllocate)] {
				run := 1 + n%3
				fired := false
				failing(t, fmt.Sprintf("%s %d..%d %v", k, n, n+run-1, fault), func(op vfs.Op) error {
					if op.Kind == k && op.Nth >= n && op.Nth < n+run {
						fired = true
						return fault
					}
					return nil
				})
				if !fired {
					n = 200 // there is no n-th call
				}
			}
		}
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func failing(t *testing.T, name string, inject func(vfs.Op) error) {
	t.Helper()
	m := vfs.NewMem()
	r := newRig(t, m)
	check(t, r.log.Close())
	poisoned := map[string]bool{}
	f := vfs.NewFaulty(m, func(op vfs.Op) error {
		switch op.Kind {
		case vfs.OpCreate, vfs.OpRename: // another file takes the name
			delete(poisoned, op.Name)
		case vfs.OpSync:
			if poisoned[op.Name] {
				t.Errorf("%s: second sync of %s", name, op.Name)
			}
		}
		err := inject(op)
		if err != nil && op.Kind == vfs.OpSync {
			poisoned[op.Name] = true
		}
		return err
	})
	r.fs = f
	l, _, err := segment.Open(f, dir, markName, segment.Samples, r.o)
	if err != nil {
		return // refused, and nothing was changed
	}
	r.log = l
	failed, row := 0, 0
	for i := range 60 {
		if err := r.append(body(2*i), body(2*i+1)); err != nil {
			failed, row = failed+1, row+1
		} else {
			row = 0
		}
		if row > 4 {
			t.Fatalf("%s: does not recover: %v", name, err)
		}
	}
	if got, damaged := read(t, l); len(damaged) > 0 || len(got) < len(r.acked) {
		t.Errorf("%s: %d of %d records, damaged %+v", name, len(got), len(r.acked), damaged)
	}
	r.fs = m.Crash(uint64(len(name)))
	r.log = nil
	r.open()
	got, _ := read(t, r.log)
	for x, b := range r.acked {
		if got[x] != b {
			t.Errorf("%s: acknowledged record %d is %q", name, x, got[x])
		}
	}
	check(t, r.append("the disk is well"))
}

// A full disk stops the log, space returning starts it again.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	m.SetCapacity(8000)
	n := 0
	for ; ; n++ {
		if err := r.append(body(n)); err != nil {
			if !vfs.IsNoSpace(err) {
				t.Fatal(err)
			}
			break
		}
	}
	if n < 40 {
		t.Errorf("full after %d records", n)
	}
	for range 10 {
		if err := r.append("no"); !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("append to a full disk: %v", err)
		}
	}
	r.wantWhole()
	m.SetCapacity(0)
	check(t, r.append("yes"))
	r.wantWhole()
	r.open()
	r.wantWhole()
}

// A sector that can't be read costs the records in it.
func TestABadSectorCostsItsRecordsOnly(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	r.o.SegmentBytes = 64 << 10
	r.open()
	r.fill(300, 10)
	bad := m.Paths(dir)[0]
	dead := false
	r.fs = badSector{m, bad, 8192, &dead}
	l, _, err := segment.Inspect(r.fs, dir, markName, segment.Samples)
	check(t, err)
	got, damaged := read(t, l)
	lost := 0
	for _, d := range damaged {
		lost += int(d.Last-d.First) + 1
	}
	if lost == 0 || len(got)+lost != 300 || len(got) < 100 {
		t.Errorf("%d served, %d damaged", len(got), lost)
	}
	// A disk that does not answer at all is no damage.
	dead = true
	rd := l.NewReader(1)
	if _, err := rd.Next(); !errors.Is(err, syscall.EIO) {
		t.Errorf("from a dead disk: %v", err)
	}
	dead = false
	if e, err := rd.Next(); err != nil || e.First != 1 {
		t.Errorf("after it came back: %+v, %v", e, err)
	}
}

// badSector is a disk with a block of a file that never reads, or none that
// does.
type badSector struct {
	vfs.FS
	name string
	at   int64
	dead *bool
}

func (b badSector) Open(name string) (vfs.File, error) {
	f, err := b.FS.Open(name)
	if name != b.name || err != nil {
		return f, err
	}
	return badFile{f, b}, nil
}

type badFile struct {
	vfs.File
	disk badSector
}

func (f badFile) ReadAt(b []byte, off int64) (int, error) {
	if *f.disk.dead || off <= f.disk.at && f.disk.at < off+int64(len(b)) {
		return 0, syscall.EIO
	}
	return f.File.ReadAt(b, off)
}

// What failed is appended again under new Indexes [S-1.4]: the disk may hold
// the first attempt all the same.
func TestAFailedBatchGivesItsIndexesUp(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	fail := vfs.OpWrite
	r.fs = vfs.NewFaulty(m, func(op vfs.Op) error {
		if op.Kind == fail && strings.HasSuffix(op.Name, ".seg") {
			fail = ""
			return syscall.EIO
		}
		return nil
	})
	fail = ""
	r.open()
	check(t, r.append("one"))
	last := r.log.Last()
	for _, fail = range []vfs.Kind{vfs.OpWrite, vfs.OpSync} {
		kind := fail
		if err := r.append("two", "three"); !errors.Is(err, syscall.EIO) {
			t.Fatalf("%s: %v", kind, err)
		}
		check(t, r.append("two", "three"))
		if got := r.log.Last(); got != last+4 {
			t.Errorf("%s: newest is %d after %d", kind, got, last)
		}
		last = r.log.Last()
	}
	r.wantWhole()
}

// A process is killed between the renaming of its list and the sync of the
// folder; the next one tidies up by that list; then the power goes and takes
// the renaming back. The old list must still find what it names.
func TestTidyingUpByAListThatIsTakenBack(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	var killed *vfs.Mem
	armed := false
	r.fs = vfs.NewFaulty(m, func(op vfs.Op) error {
		if armed && op.Kind == vfs.OpSyncDir {
			killed, armed = m.Clone(), false
		}
		return nil
	})
	r.open()
	r.fill(30, 3)
	armed = true
	check(t, r.log.Truncate(20))
	for seed := range uint64(64) {
		next := killed.Clone()
		_, _, err := segment.Open(next, dir, markName, segment.Samples, r.o)
		check(t, err)
		_, found, err := segment.Inspect(next.Crash(seed), dir, markName, segment.Samples)
		check(t, err)
		if n := fmt.Sprint(found.Notes); strings.Contains(n, "missing") {
			t.Errorf("seed %d: %s", seed, n)
		}
	}
}
