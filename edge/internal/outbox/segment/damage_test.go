package segment_test

import (
	"path"
	"testing"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// damage is one way to spoil a file at one place.
type damage struct {
	name string
	do   func(b []byte, at int) []byte
	// cuts: everything behind the place is gone too.
	cuts bool
}

var damages = []damage{
	{"flipped", func(b []byte, at int) []byte { b[at] ^= 1 << (at % 8); return b }, false},
	{"one zeroed", func(b []byte, at int) []byte { b[at] = 0; return b }, false},
	{"zeroed", func(b []byte, at int) []byte { clear(b[at:min(at+512, len(b))]); return b }, false},
	{"cut", func(b []byte, at int) []byte { return b[:at] }, true},
}

// Every byte of every file of a small log is flipped, zeroed from there on, and
// made the end of its file. Never is a wrong record served; what is not served
// is reported; a flipped byte costs one record at most; the log takes more.
func TestEveryByteOfALogDamaged(t *testing.T) {
	t.Parallel()
	for _, clean := range []bool{true, false} {
		m := vfs.NewMem()
		r := newRig(t, m)
		r.fill(24, 3)
		if clean {
			check(t, r.log.Close())
		}
		for _, f := range append(m.Paths(dir), markName) {
			whole, err := vfs.ReadFile(m, f, 1<<20)
			check(t, err)
			for _, d := range damages {
				for at := range whole {
					c := m.Clone()
					spoilt := d.do(append([]byte(nil), whole...), at)
					check(t, vfs.WriteFile(c, path.Dir(f), path.Base(f), spoilt))
					judge(t, r, c, d, f, at)
				}
			}
		}
	}
}

func judge(t *testing.T, before *rig, fs vfs.FS, d damage, f string, at int) {
	t.Helper()
	r := &rig{t: t, fs: fs, o: before.o, acked: map[segment.Index]string{}, tried: map[segment.Index]string{}}
	for i, b := range before.acked {
		r.tried[i] = b
	}
	r.open()
	got, damaged := read(t, r.log)
	lost := map[segment.Index]bool{}
	for _, e := range damaged {
		for i := e.First; i <= e.Last; i++ {
			lost[i] = true
		}
	}
	for i := r.found.LostFirst; i > 0 && i <= r.found.LostLast; i++ {
		lost[i] = true
	}
	for i, b := range got {
		if before.acked[i] != b {
			t.Errorf("%s %s at %d: record %d is %q", f, d.name, at, i, b)
		}
	}
	for i := range before.acked {
		if _, ok := got[i]; !ok && !lost[i] {
			t.Errorf("%s %s at %d: record %d is gone silently", f, d.name, at, i)
		}
	}
	if missing := len(before.acked) - len(got); (d.name == "flipped" || d.name == "one zeroed") && missing > 1 {
		t.Errorf("%s %s at %d cost %d records", f, d.name, at, missing)
	}
	if err := r.append("after the damage"); err != nil {
		t.Errorf("%s %s at %d: append: %v", f, d.name, at, err)
	}
	if again, _ := read(t, r.log); len(again) != len(got)+1 {
		t.Errorf("%s %s at %d: %d records, then %d", f, d.name, at, len(got), len(again))
	}
}

// A body that looks like a frame of its own segment, but for the salt, is not
// taken for one when the frame around it is damaged.
func TestAFrameInsideABodyIsNotServed(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	for salt := range uint64(3) {
		check(t, r.append(string(segment.ForgeFrame(salt, 2, "forged"))))
	}
	seg := m.Paths(dir)[0]
	b, err := vfs.ReadFile(m, seg, 1<<20)
	check(t, err)
	b[81] ^= 1 // the first frame's tag
	check(t, vfs.WriteFile(m, dir, path.Base(seg), b))
	r.open()
	got, damaged := read(t, r.log)
	if len(got) != 2 || got[2] != r.acked[2] || len(damaged) != 1 || damaged[0].First != 1 || damaged[0].Last != 1 {
		t.Errorf("served %v, damaged %+v", got, damaged)
	}
}
