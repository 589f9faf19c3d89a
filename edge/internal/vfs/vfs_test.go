package vfs_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"testing"

	"github.com/linshao/linshao/edge/internal/vfs"
)

// both runs a story on the disk and in memory: the fake must behave alike.
func both(t *testing.T, story func(t *testing.T, f vfs.FS, dir string)) {
	t.Run("os", func(t *testing.T) { story(t, vfs.OS{}, t.TempDir()) })
	t.Run("mem", func(t *testing.T) { story(t, vfs.NewMem(), "/") })
}

func must[T any](v T, err error) func(t *testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestFilesBehaveAlikeOnDiskAndInMemory(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, f vfs.FS, dir string) {
		d := dir + "/a/b"
		check(t, f.MkdirAll(d))
		check(t, f.MkdirAll(d))
		w := must(f.Create(d + "/one"))(t)
		if _, err := f.Create(d + "/one"); !errors.Is(err, fs.ErrExist) {
			t.Errorf("second create: %v", err)
		}
		check(t, w.Allocate(1000))
		if n := must(w.Size())(t); n != 1000 {
			t.Errorf("size %d after allocate", n)
		}
		must(w.WriteAt([]byte("hello"), 10))(t)
		check(t, w.Sync())
		b := make([]byte, 8)
		must(w.ReadAt(b, 8))(t)
		if !bytes.Equal(b, []byte("\x00\x00hello\x00")) {
			t.Errorf("read %q", b)
		}
		check(t, w.Truncate(12))
		if n, err := w.ReadAt(b, 10); n != 2 || !errors.Is(err, io.EOF) {
			t.Errorf("read behind the end: %d, %v", n, err)
		}
		check(t, f.Rename(d+"/one", d+"/two"))
		check(t, f.SyncDir(d))
		if got := must(f.List(d))(t); !slices.Equal(got, []string{"two"}) {
			t.Errorf("list %v", got)
		}
		check(t, f.Remove(d+"/two"))
		if _, err := f.Open(d + "/two"); !vfs.IsNotExist(err) {
			t.Errorf("open removed: %v", err)
		}
		must(w.ReadAt(b[:2], 10))(t) // still open, still readable
		if err := f.Remove(d + "/two"); !vfs.IsNotExist(err) {
			t.Errorf("remove removed: %v", err)
		}
		if free := must(f.Free(dir))(t); free <= 0 {
			t.Errorf("free %d", free)
		}
	})
}

func TestWriteFileReplacesWholly(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, f vfs.FS, dir string) {
		check(t, vfs.WriteFile(f, dir, "x", []byte("first")))
		check(t, vfs.WriteFile(f, dir, "x", []byte("2nd")))
		if b := must(vfs.ReadFile(f, dir+"/x", 100))(t); string(b) != "2nd" {
			t.Errorf("read %q", b)
		}
		if _, err := vfs.ReadFile(f, dir+"/x", 2); err == nil {
			t.Error("read a file larger than allowed")
		}
	})
}

// A power cut at any moment of a replacement leaves the old or the new.
func TestWriteFileSurvivesPowerCuts(t *testing.T) {
	t.Parallel()
	seen := map[string]int{}
	for seed := range uint64(400) {
		m := vfs.NewMem()
		check(t, vfs.WriteFile(m, "/", "x", []byte("old")))
		var crashed *vfs.Mem
		n := int(seed % 7)
		f := vfs.NewFaulty(m, func(op vfs.Op) error {
			if op.Any == n {
				crashed = m.Crash(seed)
			}
			return nil
		})
		check(t, vfs.WriteFile(f, "/", "x", []byte("new")))
		if crashed == nil {
			crashed = m.Crash(seed)
		}
		b := must(vfs.ReadFile(crashed, "/x", 10))(t)
		seen[string(b)]++
	}
	if len(seen) != 2 || seen["old"] == 0 || seen["new"] == 0 {
		t.Errorf("found %v", seen)
	}
}

func TestCrashKeepsWhatWasSyncedAndTearsTheRest(t *testing.T) {
	t.Parallel()
	var lost, kept, torn int
	for seed := range uint64(200) {
		m := vfs.NewMem()
		f := must(m.Create("/x"))(t)
		must(f.WriteAt(bytes.Repeat([]byte{1}, 700), 0))(t)
		check(t, f.Sync())
		check(t, m.SyncDir("/"))
		must(f.WriteAt(bytes.Repeat([]byte{2}, 2000), 700))(t)
		b := must(vfs.ReadFile(m.Crash(seed), "/x", 1<<20))(t)
		if len(b) < 700 || !bytes.Equal(b[:700], bytes.Repeat([]byte{1}, 700)) {
			t.Fatalf("seed %d lost synced bytes", seed)
		}
		switch n := bytes.Count(b, []byte{2}); n {
		case 0:
			lost++
		case 2000:
			kept++
		default:
			torn++
		}
		if !bytes.Equal(b, again(t, m, seed)) {
			t.Fatalf("seed %d gives two crashes", seed)
		}
		if b := must(vfs.ReadFile(m.Clone(), "/x", 1<<20))(t); bytes.Count(b, []byte{2}) != 2000 {
			t.Fatal("a killed process lost what it wrote")
		}
		if b := must(vfs.ReadFile(m.Clone().Crash(seed), "/x", 1<<20))(t); !bytes.Equal(b, again(t, m, seed)) {
			t.Fatalf("seed %d: being killed changed what the power cut left", seed)
		}
	}
	if lost == 0 || kept == 0 || torn == 0 {
		t.Errorf("lost %d kept %d torn %d", lost, kept, torn)
	}
}

func again(t *testing.T, m *vfs.Mem, seed uint64) []byte {
	t.Helper()
	return must(vfs.ReadFile(m.Crash(seed), "/x", 1<<20))(t)
}

func TestCrashLosesNamesThatWereNotSynced(t *testing.T) {
	t.Parallel()
	var there, gone int
	for seed := range uint64(50) {
		m := vfs.NewMem()
		f := must(m.Create("/x"))(t)
		must(f.WriteAt([]byte("x"), 0))(t)
		check(t, f.Sync())
		if _, err := m.Crash(seed).Open("/x"); err == nil {
			there++
		} else {
			gone++
		}
		check(t, m.SyncDir("/"))
		must(m.Crash(seed).Open("/x"))(t)
	}
	if there == 0 || gone == 0 {
		t.Errorf("there %d gone %d", there, gone)
	}
}

func TestMemRunsFull(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	m.SetCapacity(100)
	f := must(m.Create("/x"))(t)
	check(t, f.Allocate(90))
	if _, err := f.WriteAt(make([]byte, 20), 90); !vfs.IsNoSpace(err) {
		t.Errorf("write: %v", err)
	}
	if err := f.Allocate(101); !vfs.IsNoSpace(err) {
		t.Errorf("allocate: %v", err)
	}
	must(f.WriteAt(make([]byte, 90), 0))(t)
	if free := must(m.Free("/"))(t); free != 10 || m.Used() != 90 {
		t.Errorf("free %d used %d", free, m.Used())
	}
}

func TestFaultyFailsTheChosenCall(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	f := vfs.NewFaulty(m, func(op vfs.Op) error {
		switch {
		case op.Kind == vfs.OpWrite && op.Nth == 2:
			return io.ErrShortWrite
		case op.Kind == vfs.OpSync && op.Nth == 1:
			return syscall.EIO
		}
		return nil
	})
	w := must(f.Create("/x"))(t)
	must(w.WriteAt([]byte("abcd"), 0))(t)
	if n, err := w.WriteAt([]byte("efgh"), 4); n != 2 || !errors.Is(err, io.ErrShortWrite) {
		t.Errorf("short write: %d, %v", n, err)
	}
	if err := w.Sync(); !errors.Is(err, syscall.EIO) {
		t.Errorf("sync: %v", err)
	}
	check(t, w.Sync())
	if b := must(vfs.ReadFile(m, "/x", 10))(t); string(b) != "abcdef" {
		t.Errorf("content %q", b)
	}
}
