package vfs

import (
	"errors"
	"io/fs"
	"syscall"
)

// ErrTooLarge: a file is larger than the caller of ReadFile allows.
var ErrTooLarge = errors.New("file is larger than its kind may be")

// IsNotExist reports whether err says that a name is not there.
func IsNotExist(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// IsDiskFull reports whether err says that the disk or the quota is full, so
// that it helps to give space back.
func IsDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// IsNoSpace reports whether err says that the disk or the quota is full, or a
// file as large as the process may make it.
func IsNoSpace(err error) bool {
	return IsDiskFull(err) || errors.Is(err, syscall.EFBIG)
}
