package embedded

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/linshao/linshao/protocol/kit/chaos"
)

// tail makes one write-ahead log of the library durable from outside. The log
// is a directory of numbered segments; only the last is written to, and the
// writer moves on to the next by itself.
type tail struct {
	dir  string
	from int      // first segment that may hold something not fsynced
	file *os.File // segment from, held open so that no write error passes unseen
}

func (s *Store) openLogs(dir string) error {
	// The folders of the logs were made by the library, this one too where it
	// is new: their names are durable only with the folders they lie in.
	for _, d := range []string{dir, filepath.Dir(dir)} {
		if err := syncDir(d); err != nil {
			return err
		}
	}
	for i, name := range []string{"wal", "wbl"} {
		t := &tail{dir: filepath.Join(dir, name), from: -1}
		s.logs[i] = t
		if err := t.sync(); err != nil {
			return err
		}
	}
	return nil
}

// sync fsyncs every segment from t.from on, and the directory if a segment is
// new. The caller sees to it that nobody appends meanwhile.
func (t *tail) sync() error {
	numbers, err := t.segments()
	if err != nil {
		return err
	}
	fresh := false
	for _, n := range numbers {
		if n < t.from || n == t.from && t.file != nil {
			continue
		}
		f, err := os.Open(segmentPath(t.dir, n))
		if errors.Is(err, fs.ErrNotExist) {
			continue // compacted into a block and removed since we looked
		}
		if err != nil {
			return fmt.Errorf("open segment: %w", err)
		}
		// The segment before is complete: after this fsync it is done with.
		if err := t.close(); err != nil {
			return errors.Join(err, f.Close())
		}
		t.from, t.file, fresh = n, f, true
	}
	if t.file == nil {
		return nil
	}
	if err := t.file.Sync(); err != nil {
		return fmt.Errorf("fsync segment: %w", err)
	}
	if !fresh {
		return nil
	}
	chaos.At("series.dirsync.before")
	if err := syncDir(t.dir); err != nil {
		return err
	}
	chaos.At("series.dirsync.after")
	return nil
}

// close fsyncs and closes the segment held open, if any.
func (t *tail) close() error {
	if t == nil || t.file == nil {
		return nil
	}
	f := t.file
	t.file = nil
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("fsync segment: %w", err)
	}
	return nil
}

// segments returns the numbers of the log's segments, ascending.
func (t *tail) segments() ([]int, error) {
	entries, err := os.ReadDir(t.dir)
	if err != nil {
		return nil, fmt.Errorf("list segments: %w", err)
	}
	var numbers []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func segmentPath(dir string, n int) string { return filepath.Join(dir, fmt.Sprintf("%08d", n)) }

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("fsync directory: %w", err)
	}
	return nil
}
