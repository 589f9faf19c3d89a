package segment_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// copied copies the log of r, calling meanwhile between any two files.
func copied(t *testing.T, r *rig, meanwhile func()) *vfs.Mem {
	t.Helper()
	out := vfs.NewMem()
	check(t, out.MkdirAll(dir))
	check(t, segment.Copy(r.fs, dir, segment.Samples, func(name string, size int64, from io.Reader) error {
		b, err := io.ReadAll(from)
		check(t, err)
		if int64(len(b)) > size {
			t.Errorf("%s has %d bytes, said to have %d", name, len(b), size)
		}
		meanwhile()
		return vfs.WriteFile(out, dir, name, b)
	}))
	return out
}

// A log is copied while it is written to and cut off at the front: the copy
// has all that was there, undamaged, and begins a new life.
func TestCopyBesideWritingAndTruncating(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.fill(60, 3)
	want := map[segment.Index]string{}
	for i, b := range r.acked {
		want[i] = b
	}
	n := 0
	out := copied(t, r, func() {
		n++
		check(t, r.append(fmt.Sprintf("meanwhile %d", n)))
		check(t, r.log.Truncate(segment.Index(10*n)))
	})
	c := &rig{t: t, fs: out, o: r.o, acked: map[segment.Index]string{}, tried: map[segment.Index]string{}}
	c.open()
	got, damaged := read(t, c.log)
	if len(damaged) > 0 || c.found.Proven || c.found.LostLast != 0 || c.log.Life().ID != life2 {
		t.Errorf("the copy is %+v, damaged %v", c.found, damaged)
	}
	for i, b := range want {
		if got[i] != b {
			t.Errorf("record %d of the copy is %q, want %q", i, got[i], b)
		}
	}
	check(t, c.append("goes on"))
}

// A segment that is really missing does not keep a log from being copied.
func TestCopyOfALogWithASegmentMissing(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.fill(60, 3)
	check(t, r.fs.Remove(r.fs.(*vfs.Mem).Paths(dir)[2]))
	out := copied(t, r, func() {})
	if have, had := len(out.Paths(dir)), len(r.fs.(*vfs.Mem).Paths(dir)); have != had {
		t.Errorf("%d files of %d", have, had)
	}
}

// A log is killed and opened again beside one who reads it: he goes on with
// what he has not read, undisturbed.
func TestReopenedBesideARunningReader(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.fill(60, 3)
	looking, _, err := segment.Inspect(r.fs, dir, markName, segment.Samples)
	check(t, err)
	readers := map[string]*segment.Reader{"of the killed": r.log.NewReader(1), "of another process": looking.NewReader(1)}
	for at := 1; at <= 60; at++ {
		if at == 20 || at == 40 {
			r.open() // without having closed it
			check(t, r.append(fmt.Sprintf("after restart %d", at)))
		}
		for who, rd := range readers {
			e, err := rd.Next()
			check(t, err)
			if e.What != segment.Record || string(e.Body) != r.acked[segment.Index(at)] {
				t.Fatalf("reader %s at %d: %+v", who, at, e)
			}
		}
	}
	for who, rd := range readers {
		if _, err := rd.Next(); !errors.Is(err, io.EOF) {
			t.Errorf("reader %s: %v behind the end", who, err)
		}
		rd.Close()
	}
}
