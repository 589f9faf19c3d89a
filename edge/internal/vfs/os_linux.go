package vfs

import (
	"errors"
	"os"
	"syscall"
)

// Allocate implements File. Where the file system cannot reserve, the file
// only gets its length, and a full disk shows when it is written.
func (f osFile) Allocate(size int64) error {
	err := ignoringEINTR(func() error { return syscall.Fallocate(int(f.Fd()), 0, 0, size) })
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return f.Truncate(size)
	}
	if err != nil {
		return &os.PathError{Op: "fallocate", Path: f.Name(), Err: err}
	}
	return nil
}

// Sync implements File. It leaves out times of access and the like, but not
// the length.
func (f osFile) Sync() error {
	if err := ignoringEINTR(func() error { return syscall.Fdatasync(int(f.Fd())) }); err != nil {
		return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
	}
	return nil
}

func ignoringEINTR(call func() error) error {
	for {
		if err := call(); !errors.Is(err, syscall.EINTR) {
			return err
		}
	}
}
