package segment_test

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"
	"sync"
	"testing"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

func TestWhatIsAppendedIsReadAgain(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1, 3, 16, 100} {
		r := newRig(t, vfs.NewMem())
		r.fill(200, size)
		r.wantWhole()
		check(t, r.log.Close())
		r.open()
		if !r.found.Proven || len(r.found.Notes) > 0 {
			t.Errorf("after a clean end: %+v", r.found)
		}
		r.wantWhole()
		check(t, r.append("one more"))
		r.wantWhole()
		if n := len(r.log.Segments()); n < 3 {
			t.Errorf("%d segments only", n)
		}
	}
}

func TestARecordLargerThanASegmentGetsItsOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.fill(3, 1)
	check(t, r.append(strings.Repeat("x", 100_000)))
	check(t, r.append(strings.Repeat("y", segment.MaxRecord)))
	r.fill(3, 3)
	r.wantWhole()
	for _, b := range []string{"", strings.Repeat("z", segment.MaxRecord+1)} {
		if err := r.append("fine", b); !errors.Is(err, segment.ErrTooLarge) {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
	r.wantWhole()
}

func TestTruncateForgetsWholeSegmentsButNeverTheLast(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	r.fill(200, 4)
	segs := r.log.Segments()
	check(t, r.log.Truncate(segs[3].Last)) // the fourth is not wholly before it
	if got := r.log.Segments()[0].First; got != segs[3].First {
		t.Errorf("first is %d, want %d", got, segs[3].First)
	}
	check(t, r.log.Truncate(1<<40))
	if n := len(r.log.Segments()); n != 1 {
		t.Errorf("%d segments left", n)
	}
	if n := len(m.Paths(dir)); n != 2 {
		t.Errorf("files left: %v", m.Paths(dir))
	}
	got, _ := read(t, r.log)
	for i, b := range got {
		if r.acked[i] != b {
			t.Errorf("record %d is %q", i, b)
		}
	}
	check(t, r.append("after"))
}

// An Index is never issued twice, although the log was emptied.
func TestIndexesSurviveEmptyingAndReopening(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	for round := range 20 {
		check(t, r.append(fmt.Sprint(round)))
		check(t, r.log.Truncate(1<<40))
		if round%2 == 0 {
			check(t, r.log.Close())
		} // else as if killed
		r.open()
		if !r.found.Proven {
			t.Fatalf("round %d: %+v", round, r.found)
		}
	}
	// All gone but the mark: a new life, and Indexes go on.
	for _, f := range r.fs.(*vfs.Mem).Paths(dir) {
		check(t, r.fs.Remove(f))
	}
	r.open()
	if r.found.Proven || r.found.LostFirst != 1 || r.found.LostLast < 20 {
		t.Errorf("after the folder was emptied: %+v", r.found)
	}
	check(t, r.append("goes on"))
}

func TestALogWithoutMarkBeginsANewLife(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.fill(30, 5)
	check(t, r.log.Close())
	check(t, r.fs.Remove(markName))
	r.open()
	if r.found.Proven || r.found.LostLast != 0 {
		t.Errorf("%+v", r.found)
	}
	r.wantWhole()
	if r.open(); !r.found.Proven {
		t.Errorf("the new life is in doubt at once: %+v", r.found)
	}
	check(t, r.append("in the second life"))
	r.wantWhole()
	segs := r.log.Segments()
	first, last := segs[0], segs[len(segs)-1]
	if first.Life.ID != life1 || first.Life.Base != 0 || last.Life.ID != life2 || last.Life.Base+1 != last.First {
		t.Errorf("lives %+v and %+v", first, last)
	}
}

func TestALogThatLostItsTailSaysSo(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.fill(40, 4)
	check(t, r.log.Close())
	segs := r.log.Segments()
	last := segs[len(segs)-1]
	files := r.fs.(*vfs.Mem).Paths(dir)
	check(t, r.fs.Remove(files[len(files)-2])) // "list" sorts last
	// The list still proves that these were sealed: they are damaged.
	r.open()
	_, damaged := read(t, r.log)
	if len(damaged) != 1 || damaged[0].First != last.First || damaged[0].Last != last.Last {
		t.Errorf("found %+v, damaged %+v", r.found, damaged)
	}
	// Without the list only the mark knows.
	check(t, r.fs.Remove(dir+"/list"))
	r.open()
	if r.found.Proven || r.found.LostFirst != last.First || r.found.LostLast != last.Last {
		t.Errorf("found %+v, want %d..%d", r.found, last.First, last.Last)
	}
}

func TestADamagedListIsRebuiltFromTheSegments(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.fill(100, 7)
	check(t, r.log.Close())
	check(t, r.fs.Remove(dir+"/list"))
	r.open()
	if !r.found.Proven || len(r.found.Notes) == 0 {
		t.Errorf("%+v", r.found)
	}
	r.wantWhole()
	check(t, r.append("more"))
	r.wantWhole()
}

func TestSwappedRenamedAndForeignFilesAreSortedOut(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.fill(100, 7)
	check(t, r.log.Close())
	p := r.fs.(*vfs.Mem).Paths(dir)
	check(t, r.fs.Rename(p[0], dir+"/x"))
	check(t, r.fs.Rename(p[1], p[0]))
	check(t, r.fs.Rename(dir+"/x", p[1]))
	check(t, vfs.WriteFile(r.fs, dir, "ffffffffffffffff.seg", []byte("junk")))
	check(t, vfs.WriteFile(r.fs, dir, "0000000000000000.seg", nil))
	check(t, vfs.WriteFile(r.fs, dir, "notes.txt", []byte("hello")))
	r.open()
	r.wantWhole()
	check(t, r.append("more"))
	r.wantWhole()
	var names []string
	for _, n := range r.fs.(*vfs.Mem).Paths(dir) {
		if !strings.HasSuffix(n, ".seg") {
			names = append(names, path.Base(n))
		}
	}
	want := "0000000000000000.seg.quarantine ffffffffffffffff.seg.quarantine list notes.txt"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("files %s", got)
	}
}

func TestReadingBesideWritingAndTruncating(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	const n = 2000
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range n {
			if err := r.append(body(i)); err != nil {
				t.Error(err)
				return
			}
			if i%100 == 99 {
				if err := r.log.Truncate(segment.Index(i - 50)); err != nil {
					t.Error(err)
				}
			}
		}
	})
	for range 3 {
		wg.Go(func() {
			rd := r.log.NewReader(1)
			defer rd.Close()
			for at := segment.Index(0); at < n; {
				e, err := rd.Next()
				if errors.Is(err, io.EOF) {
					continue
				}
				if err != nil || e.What == segment.Damaged || e.First != at+1 {
					t.Errorf("%+v after %d: %v", e, at, err)
					return
				}
				if e.What == segment.Record && string(e.Body) != body(int(e.First)-1) {
					t.Errorf("record %d is %q", e.First, e.Body)
				}
				at = e.Last
			}
		})
	}
	wg.Wait()
}

func TestInspectLooksBesideTheWriterAndChangesNothing(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.fill(50, 5)
	f := vfs.NewFaulty(r.fs, func(op vfs.Op) error {
		switch op.Kind {
		case vfs.OpOpen, vfs.OpRead, vfs.OpList:
			return nil
		}
		t.Errorf("inspecting does %s %s", op.Kind, op.Name)
		return nil
	})
	l, found, err := segment.Inspect(f, dir, markName, segment.Samples)
	check(t, err)
	if got, _ := read(t, l); len(got) != 50 || !found.Proven {
		t.Errorf("%d records, %+v", len(got), found)
	}
	if _, err := l.Append([]segment.Item{{Body: []byte("x")}}); !errors.Is(err, segment.ErrClosed) {
		t.Errorf("append: %v", err)
	}
	check(t, l.Close())
	check(t, r.append("still writing"))
	r.wantWhole()
}

func TestAnchorsAndTimesAreKnownBySegment(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	at, err := r.log.Append([]segment.Item{{Body: []byte("a"), TimeMS: 5}, {Body: []byte("b"), TimeMS: 9, Anchor: true}, {Body: []byte("c"), TimeMS: 7}})
	check(t, err)
	for range 2 { // once as written, once as found by reading
		s := r.log.Segments()[0]
		if s.Anchor != at+1 || s.NewestMS != 9 || s.First != at || s.Last != at+2 {
			t.Errorf("%+v", s)
		}
		r.open()
	}
}

func TestANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.fill(3, 1)
	check(t, segment.WriteNewerMark(r.fs, markName))
	if _, _, err := segment.Open(r.fs, dir, markName, segment.Samples, r.o); err == nil || !strings.Contains(err.Error(), "newer") {
		t.Errorf("open: %v", err)
	}
}
