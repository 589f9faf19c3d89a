package outbox

import (
	"fmt"
	"io"
	"path"

	"github.com/linshao/linshao/protocol/envelope"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// Copy calls put with each file that a copy of the outbox in dir needs, under
// its name in dir; it works beside the daemon that uses the outbox. What was
// acknowledged before Copy is in the copy, of what comes meanwhile any part may
// be, but no sample without its ticket. also are other files that lie in dir.
//
// The marks are left out: an outbox opened without them begins a new epoch, so
// that the copy and what it was copied from never issue the same Sequence. What
// waits in the copy keeps its names, and the cloud knows it again.
func Copy(fs vfs.FS, dir string, also []string, put func(name string, size int64, r io.Reader) error) error {
	for _, name := range also {
		if err := copyFile(fs, dir, name, put); err != nil && !vfs.IsNotExist(err) {
			return err
		}
	}
	for _, log := range []envelope.Log{envelope.Samples, envelope.Alarm} { // alarm is appended first
		err := segment.Copy(fs, path.Join(dir, string(log)), kindOf(log), func(name string, size int64, r io.Reader) error {
			return put(path.Join(string(log), name), size, r)
		})
		if err != nil {
			return fmt.Errorf("copy %s log: %w", log, err)
		}
	}
	// Last: it must know of every gap that the logs were copied behind.
	return copyFile(fs, dir, stateName, put)
}

// copyFile copies a file that its owner replaces by rename.
func copyFile(fs vfs.FS, dir, name string, put func(string, int64, io.Reader) error) error {
	f, err := fs.Open(path.Join(dir, name))
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	defer f.Close()
	size, err := f.Size()
	if err != nil {
		return fmt.Errorf("copy %s: %w", name, err)
	}
	return put(name, size, io.NewSectionReader(f, 0, size))
}
