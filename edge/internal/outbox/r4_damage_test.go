package outbox_test

import (
	"fmt"
	"math/rand/v2"
	"path"
	"strings"

	"github.com/linshao/linshao/edge/internal/vfs"
)

// mischief is one kind of damage; it returns what it did, "" if there was nothing
// to do it to.
type mischief struct {
	name string
	do   func(w *world, fs *vfs.Mem, r *rand.Rand) string
}

// bytewise makes a mischief of something done to the content of any one file.
func bytewise(name string, do func(b []byte, r *rand.Rand) []byte) mischief {
	return mischief{name, func(_ *world, fs *vfs.Mem, r *rand.Rand) string {
		f := victim(fs, r)
		b := mustRead(fs, f)
		if len(b) == 0 {
			return ""
		}
		put(fs, f, do(b, r))
		return f
	}}
}

func put(fs *vfs.Mem, name string, b []byte) {
	if err := vfs.WriteFile(fs, path.Dir(name), path.Base(name), b); err != nil {
		panic(err)
	}
}

// part picks a run of b.
func part(b []byte, most int, r *rand.Rand) []byte {
	at := r.IntN(len(b))
	return b[at:min(len(b), at+1+r.IntN(most))]
}

func static(b []byte, r *rand.Rand) []byte {
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// mischiefs are all kinds of damage.
func mischiefs() []mischief {
	return []mischief{
		bytewise("a bit flipped", func(b []byte, r *rand.Rand) []byte { b[r.IntN(len(b))] ^= 1 << r.IntN(8); return b }),
		bytewise("bits flipped", func(b []byte, r *rand.Rand) []byte {
			for range 2 + r.IntN(30) {
				b[r.IntN(len(b))] ^= 1 << r.IntN(8)
			}
			return b
		}),
		bytewise("cut off", func(b []byte, r *rand.Rand) []byte { return b[:r.IntN(len(b))] }),
		bytewise("cut off by a little", func(b []byte, r *rand.Rand) []byte { return b[:len(b)-1-r.IntN(min(len(b), 16))] }),
		bytewise("emptied", func([]byte, *rand.Rand) []byte { return []byte{} }),
		bytewise("sectors zeroed", func(b []byte, r *rand.Rand) []byte {
			at := r.IntN(len(b)) &^ 511
			clear(b[at:min(len(b), at+512*(1+r.IntN(3)))])
			return b
		}),
		bytewise("a block zeroed", func(b []byte, r *rand.Rand) []byte {
			at := r.IntN(len(b)) &^ 4095
			clear(b[at:min(len(b), at+4096)])
			return b
		}),
		bytewise("all zeroed", func(b []byte, _ *rand.Rand) []byte { clear(b); return b }),
		bytewise("a part overwritten", func(b []byte, r *rand.Rand) []byte { static(part(b, 600, r), r); return b }),
		bytewise("a part repeated", func(b []byte, r *rand.Rand) []byte { copy(b[r.IntN(len(b)):], part(b, 600, r)); return b }),
		bytewise("bytes inserted", func(b []byte, r *rand.Rand) []byte {
			at := r.IntN(len(b))
			return append(append(append([]byte{}, b[:at]...), static(make([]byte, 1+r.IntN(64)), r)...), b[at:]...)
		}),
		bytewise("bytes taken out", func(b []byte, r *rand.Rand) []byte {
			at := r.IntN(len(b))
			return append(append([]byte{}, b[:at]...), b[min(len(b), at+1+r.IntN(64)):]...)
		}),
		bytewise("junk behind the end", func(b []byte, r *rand.Rand) []byte { return append(b, static(make([]byte, 1+r.IntN(3000)), r)...) }),
		bytewise("all junk", func(b []byte, r *rand.Rand) []byte { return static(b, r) }),
		{"deleted", func(_ *world, fs *vfs.Mem, r *rand.Rand) string {
			f := victim(fs, r)
			if f != "" && fs.Remove(f) != nil {
				return ""
			}
			return f
		}},
		{"swapped", func(_ *world, fs *vfs.Mem, r *rand.Rand) string {
			a, b := pick(r, segments(fs)), pick(r, segments(fs))
			if a == b {
				return ""
			}
			x, y := mustRead(fs, a), mustRead(fs, b)
			put(fs, a, y)
			put(fs, b, x)
			return a + " and " + b
		}},
		{"renamed", func(_ *world, fs *vfs.Mem, r *rand.Rand) string {
			a := pick(r, segments(fs))
			if a == "" || fs.Rename(a, path.Dir(a)+"/"+junkName(r)) != nil {
				return ""
			}
			return a
		}},
		{"copied", func(_ *world, fs *vfs.Mem, r *rand.Rand) string {
			a := victim(fs, r)
			b := path.Dir(a) + "/" + junkName(r)
			put(fs, b, mustRead(fs, a))
			return a + " as " + b
		}},
		{"a junk file", func(_ *world, fs *vfs.Mem, r *rand.Rand) string {
			f := pick(r, []string{"/box/", "/box/alarm/", "/box/samples/"}) + junkName(r)
			put(fs, f, static(make([]byte, r.IntN(5000)), r))
			return f
		}},
		{"a junk folder", func(_ *world, fs *vfs.Mem, r *rand.Rand) string {
			f := pick(r, []string{"/box/", "/box/alarm/", "/box/samples/"}) + fmt.Sprintf("%016x.seg", 1000+r.Uint64N(100))
			_ = fs.MkdirAll(f)
			return f
		}},
		{"set back", func(w *world, fs *vfs.Mem, r *rand.Rand) string {
			f := pick(r, []string{"/box/alarm.mark", "/box/samples.mark", "/box/state", "/box/alarm/list", "/box/samples/list"})
			put(fs, f, mustRead(w.older, f))
			return f
		}},
		{"in place of another", func(_ *world, fs *vfs.Mem, r *rand.Rand) string {
			a, b := victim(fs, r), victim(fs, r)
			if a == b {
				return ""
			}
			put(fs, b, mustRead(fs, a))
			return a + " over " + b
		}},
		{"of another outbox", func(w *world, fs *vfs.Mem, r *rand.Rand) string {
			from := victim(w.other, r)
			to := from
			if path.Ext(from) == ".seg" && r.IntN(2) == 0 {
				to = path.Dir(from) + "/" + junkName(r)
			}
			put(fs, to, mustRead(w.other, from))
			return from + " as " + to
		}},
	}
}

// victim picks a file: each kind as often as the others, however many there
// are of it.
func victim(fs *vfs.Mem, r *rand.Rand) string {
	small := []string{"/box/state", "/box/reserve", "/box/alarm.mark", "/box/samples.mark", "/box/alarm/list", "/box/samples/list"}
	if i := r.IntN(len(small) + 4); i < len(small) {
		return small[i]
	}
	return pick(r, segments(fs))
}

func pick(r *rand.Rand, of []string) string {
	if len(of) == 0 {
		return ""
	}
	return of[r.IntN(len(of))]
}

func segments(fs *vfs.Mem) (out []string) {
	for _, f := range fs.Paths("/box") {
		if strings.HasSuffix(f, ".seg") {
			out = append(out, f)
		}
	}
	return out
}

// junkName is a name that may mean something.
func junkName(r *rand.Rand) string {
	switch r.IntN(5) {
	case 0:
		return fmt.Sprintf("%016x.seg", r.Uint64N(64))
	case 1:
		return fmt.Sprintf("%016x.seg", r.Uint64())
	case 2:
		return pick(r, []string{"list.new", "state.new", "alarm.mark.new", "x.seg", ".seg", "0000000000000001.SEG", "0000000000000001.seg.quarantine"})
	case 3:
		return "ffffffffffffffff.seg"
	default:
		return fmt.Sprintf("%x", r.Uint64())
	}
}
