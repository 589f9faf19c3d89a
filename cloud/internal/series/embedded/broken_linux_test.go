package embedded_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/linshao/linshao/cloud/internal/series"
)

// sabotage puts another file in place of the descriptors this process holds
// of the newest segment in dir: those for writing (the library's), or those
// for reading (ours, used to fsync).
func sabotage(t *testing.T, dir string, writers bool, with *os.File) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range fds {
		to, err := os.Readlink("/proc/self/fd/" + e.Name())
		if err != nil || filepath.Dir(to) != dir || strings.Contains(to, "deleted") {
			continue
		}
		var fd int
		if _, err := fmt.Sscan(e.Name(), &fd); err != nil {
			t.Fatal(err)
		}
		flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFL, 0)
		if errno != 0 {
			t.Fatal(errno)
		}
		if (flags&syscall.O_ACCMODE != syscall.O_RDONLY) != writers {
			continue
		}
		if err := syscall.Dup3(int(with.Fd()), fd, syscall.O_CLOEXEC); err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n == 0 {
		t.Fatalf("no descriptor found in %s", dir)
	}
}

// A failed write or fsync is never acknowledged, nor is anything after it; what
// was acknowledged before is there when the store is opened anew.
func TestAfterAFailureNothingIsAcknowledged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, log string
		writers   bool
	}{
		{"a write to the wal fails", "wal", true},
		{"a write to the wbl fails, which the library only logs", "wbl", true},
		{"the fsync of the wal fails", "wal", false},
		{"the fsync of the wbl fails", "wbl", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir, err := filepath.EvalSymlinks(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			s := open(t, dir)
			for n := range 20 {
				if _, err := s.Append(t.Context(), group(n)); err != nil {
					t.Fatal(err)
				}
			}
			// Reads only: writing to it fails. A pipe: fsync of it fails.
			r, w, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _, _ = r.Close(), w.Close() }()
			sabotage(t, filepath.Join(dir, c.log), c.writers, r)

			for n := 20; n < 23; n++ {
				if _, err := s.Append(t.Context(), group(n)); !errors.Is(err, series.ErrBroken) {
					t.Fatalf("group %d after the failure: %v", n, err)
				}
			}
			_ = s.Close() // its files are gone
			again := open(t, dir)
			if lost := missing(t, again, 20); len(lost) > 0 {
				t.Errorf("groups %v are lost", lost)
			}
			for n := range 25 { // the edges send again
				if _, err := again.Append(t.Context(), group(n)); err != nil {
					t.Fatal(err)
				}
			}
			if lost := missing(t, again, 25); len(lost) > 0 {
				t.Errorf("after opening anew groups %v are lost", lost)
			}
		})
	}
}
