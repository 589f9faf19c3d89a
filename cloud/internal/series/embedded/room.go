package embedded

import (
	"fmt"
	"path/filepath"
	"syscall"

	"github.com/linshao/linshao/cloud/internal/series"
)

// Reserve is the room, in bytes, that samples leave on the disk. It is there
// for tickets, which lie on the same disk, and for the library's own files
// besides the logs: it panics where it cannot write those.
const Reserve = 64 << 20

// checkRoom returns series.ErrNoRoom if less than reserve bytes are free where
// dir lies, or will lie.
func checkRoom(dir string, reserve int64) error {
	if reserve <= 0 {
		return nil
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(filepath.Dir(dir), &st); err != nil {
		return fmt.Errorf("ask for room: %w", err)
	}
	free := int64(st.Bavail) * int64(st.Bsize) //nolint:gosec,unconvert // the types differ between systems; no disk is larger
	if free < reserve {
		return fmt.Errorf("%w: %d bytes of %d", series.ErrNoRoom, free, reserve)
	}
	return nil
}
