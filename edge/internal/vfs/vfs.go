// Package vfs is the seam between the outbox and the disk: the few calls that
// durable code needs, so that tests can cut the power and fail the n-th call.
//
//   - OS is the machine's file system.
//   - Mem keeps everything in memory and can crash: what was not synced is
//     lost, or kept in part, torn at 512 bytes, as a seed decides.
//   - Faulty wraps either and fails the calls a test chooses.
//
// What every FS promises, and no more than a POSIX disk promises: bytes
// survive a power cut once Sync of their File returned nil, names once SyncDir
// of their folder did. Everything else may survive or not, in any order and in
// any part; only a Rename is all or nothing. After a Sync that failed nothing
// is known about the bytes written before it, not even if a second Sync
// succeeds.
//
// It has no open flags, no seeking and no links: who needs them is not writing
// a log.
package vfs

import (
	"errors"
	"io"
	"path"

	"github.com/linshao/linshao/protocol/kit/chaos"
)

// FS is a file system. Paths are slash separated and not cleaned up. All
// methods are safe for concurrent use. Errors wrap fs.ErrNotExist,
// fs.ErrExist, syscall.ENOSPC and the like.
type FS interface {
	// Create makes a new empty file open for reading and writing; it fails if
	// the name is taken.
	Create(name string) (File, error)
	// Open opens a file for reading only.
	Open(name string) (File, error)
	// Edit opens an existing file for reading and writing.
	Edit(name string) (File, error)
	// Remove deletes a name; a File open on it stays usable.
	Remove(name string) error
	// Rename gives a file another name, replacing what had that name.
	Rename(from, to string) error
	// MkdirAll makes a folder and all above it, durably.
	MkdirAll(dir string) error
	// List returns the names in a folder, sorted.
	List(dir string) ([]string, error)
	// SyncDir makes all changes of names in dir durable.
	SyncDir(dir string) error
	// Free returns the bytes that may still be written below dir.
	Free(dir string) (int64, error)
}

// File is an open file. ReadAt and WriteAt may be used at the same time; the
// rest belongs to one owner.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Sync returns nil once everything written before is durable.
	Sync() error
	// Allocate reserves size bytes from the start, which read as zeros where
	// nothing was written; writing into them needs no more space.
	Allocate(size int64) error
	// Truncate cuts the file to size.
	Truncate(size int64) error
	// Size is the length of the file.
	Size() (int64, error)
}

// WriteFile replaces name by b, durably and at once: whoever opens name, now
// or after a power cut, finds the old content or the new one. dir is name's
// folder.
func WriteFile(f FS, dir, name string, b []byte) error {
	name = path.Join(dir, name)
	tmp := name + ".new"
	if err := f.Remove(tmp); err != nil && !IsNotExist(err) {
		return err
	}
	w, err := f.Create(tmp)
	if err != nil {
		return err
	}
	err = fill(w, b)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		chaos.At("file.rename.before")
		err = f.Rename(tmp, name)
	}
	if err != nil {
		_ = f.Remove(tmp) // the next WriteFile would; best effort
		return err
	}
	chaos.At("file.rename.after")
	err = f.SyncDir(dir)
	chaos.At("file.dirsync.after")
	return err
}

// fill makes b the durable content of w, which is empty.
func fill(w File, b []byte) error {
	chaos.At("file.write.before")
	if _, err := w.WriteAt(b, 0); err != nil {
		return err
	}
	chaos.At("file.write.after")
	err := w.Sync()
	chaos.At("file.sync.after")
	return err
}

// ReadFile returns all of a file of at most limit bytes, else ErrTooLarge.
func ReadFile(f FS, name string, limit int64) ([]byte, error) {
	r, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	size, err := r.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, ErrTooLarge
	}
	b := make([]byte, size)
	n, err := r.ReadAt(b, 0)
	if errors.Is(err, io.EOF) && int64(n) == size {
		err = nil
	}
	return b[:n], err
}
