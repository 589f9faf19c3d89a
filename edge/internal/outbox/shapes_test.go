package outbox_test

import (
	"path"
	"testing"

	"github.com/linshao/linshao/protocol/envelope"

	"github.com/linshao/linshao/edge/internal/vfs"
)

// The shapes of damage that other persistent queues have been hurt by, one by
// one, in both logs.
func TestDamageThatOthersFellFor(t *testing.T) {
	t.Parallel()
	for _, closed := range []bool{true, false} {
		w := newWorld(t, closed, false)
		for _, log := range []string{"alarm", "samples"} {
			for name, do := range shapes() {
				fs := w.disk.Clone()
				var segs []string
				for _, s := range segments(fs) {
					if path.Base(path.Dir(s)) == log {
						segs = append(segs, s)
					}
				}
				do(fs, "/box/"+log, segs)
				for _, b := range w.judge(fs).broken {
					t.Errorf("%s log, closed %t, %s: %s", log, closed, name, b)
				}
			}
		}
	}
}

func shapes() map[string]func(fs *vfs.Mem, dir string, segs []string) {
	change := func(fs *vfs.Mem, name string, do func([]byte) []byte) { put(fs, name, do(mustRead(fs, name))) }
	return map[string]func(fs *vfs.Mem, dir string, segs []string){
		"the list is missing": func(fs *vfs.Mem, dir string, _ []string) { _ = fs.Remove(dir + "/list") },
		"the list is empty":   func(fs *vfs.Mem, dir string, _ []string) { put(fs, dir+"/list", nil) },
		"the list is text":    func(fs *vfs.Mem, dir string, _ []string) { put(fs, dir+"/list", []byte("foobarbaz")) },
		"junk files and folders": func(fs *vfs.Mem, dir string, _ []string) {
			put(fs, dir+"/junk", []byte("foo"))
			put(fs, dir+"/0000000000abcdef.seg", []byte("foobar"))
			_ = fs.MkdirAll(dir + "/00000000000abcde.seg")
			_ = fs.MkdirAll(dir + "/junk-folder")
		},
		"the first segment is missing": func(fs *vfs.Mem, _ string, s []string) { _ = fs.Remove(s[0]) },
		"a segment in the middle is missing": func(fs *vfs.Mem, _ string, s []string) {
			_ = fs.Remove(s[len(s)/2])
		},
		"the last segment is missing": func(fs *vfs.Mem, _ string, s []string) { _ = fs.Remove(s[len(s)-1]) },
		"all segments are missing": func(fs *vfs.Mem, _ string, s []string) {
			for _, f := range s {
				_ = fs.Remove(f)
			}
		},
		"the first segment is empty": func(fs *vfs.Mem, _ string, s []string) { put(fs, s[0], nil) },
		"the last segment is a little short": func(fs *vfs.Mem, _ string, s []string) {
			change(fs, s[len(s)-1], func(b []byte) []byte { return b[:len(b)*3/4] })
		},
		"the last segment is a little long": func(fs *vfs.Mem, _ string, s []string) {
			change(fs, s[len(s)-1], func(b []byte) []byte { return append(b, "qwe"...) })
		},
		"a record claims to be huge": func(fs *vfs.Mem, _ string, s []string) {
			change(fs, s[0], func(b []byte) []byte { copy(b[88:], "\xff\xff\xff\xff"); return b })
		},
		"the segment begins with zeros": func(fs *vfs.Mem, _ string, s []string) {
			change(fs, s[0], func(b []byte) []byte { clear(b[:200]); return b })
		},
		"the mark is missing": func(fs *vfs.Mem, dir string, _ []string) { _ = fs.Remove(dir + ".mark") },
		"the state is missing": func(fs *vfs.Mem, _ string, _ []string) {
			_ = fs.Remove("/box/state")
		},
		"only the segments are left": func(fs *vfs.Mem, dir string, _ []string) {
			for _, f := range []string{dir + "/list", dir + ".mark", "/box/state"} {
				_ = fs.Remove(f)
			}
		},
	}
}

// Every byte of the state is flipped, cut at and zeroed: what waits is still
// there, and what was settled comes again at worst.
func TestEveryByteOfTheStateDamaged(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	r.samples(0, 12)
	check(t, r.box.Settle(envelope.Receipt{
		Epoch: r.box.Epoch(), Log: envelope.Samples, Verdict: envelope.Stored, Sequences: []envelope.Range{{First: 2, Last: 3}},
	}))
	check(t, r.box.Close())
	whole := mustRead(m, "/box/state")
	for at := range whole {
		for name, do := range map[string]func([]byte) []byte{
			"flipped": func(b []byte) []byte { b[at] ^= 1 << (at % 8); return b },
			"zeroed":  func(b []byte) []byte { b[at] = 0; return b },
			"cut":     func(b []byte) []byte { return b[:at] },
		} {
			c := m.Clone()
			put(c, "/box/state", do(append([]byte(nil), whole...)))
			x := &rig{t: t, fs: c, clock: r.clock, o: r.o, cloud: newCloud(), ctx: r.ctx, leaseBytes: 600}
			x.open()
			x.drain(envelope.Samples, true)
			x.samples(12, 1)
			x.drain(envelope.Samples, true)
			x.cloud.wantValues(t, 13)
			if t.Failed() {
				t.Fatalf("state %s at %d", name, at)
			}
		}
	}
}
