package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// PartPattern matches, beside name, what a WriteFile that died has left.
func PartPattern(name string) string { return "." + filepath.Base(name) + ".*.part" }

// WriteFile makes the new file name (mode 0600) of what fill writes, and
// returns its size in bytes. The file has its name only once all of it is
// durable; after an error there is no such file. It replaces nothing: the error
// is then fs.ErrExist.
func WriteFile(name string, fill func(io.Writer) error) (int64, error) {
	if _, err := os.Lstat(name); err == nil {
		return 0, &fs.PathError{Op: "write", Path: name, Err: fs.ErrExist}
	}
	f, err := os.CreateTemp(filepath.Dir(name), PartPattern(name))
	if err != nil {
		return 0, err
	}
	defer func() { _ = errors.Join(f.Close(), os.Remove(f.Name())) }()
	if err := fill(f); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err := errors.Join(err, f.Sync()); err != nil {
		return 0, fmt.Errorf("sync %s: %w", name, err)
	}
	if err := give(f.Name(), name, os.Link); err != nil {
		return 0, err
	}
	return info.Size(), SyncDir(filepath.Dir(name))
}

// give names a file that is whole. Where there are no links, as on a memory
// stick, the name is taken first and then replaced.
func give(from, name string, link func(from, to string) error) error {
	if err := link(from, name); err == nil || errors.Is(err, fs.ErrExist) {
		return err
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := errors.Join(f.Close(), os.Rename(from, name)); err != nil {
		return errors.Join(err, os.Remove(name))
	}
	return nil
}

// Place gives the file or folder from, which is durable, the name to, durably.
// Both lie in one file system, and to is not there or an empty folder. If it
// dies midway, from is there still.
func Place(from, to string) error {
	if info, err := os.Lstat(to); err == nil && info.IsDir() {
		if err := os.Remove(to); err != nil {
			return err
		}
	}
	if err := os.Rename(from, to); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(filepath.Clean(to)))
}

// SyncTree makes the names in a folder and in all below it durable.
func SyncTree(dir string) error {
	return filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() {
			return err
		}
		return SyncDir(p)
	})
}

// SyncDir makes the names in a folder durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return nil
}
