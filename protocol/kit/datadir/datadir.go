// Package datadir owns the directory in which a daemon keeps everything. Open
// makes sure that only this user can read it, that only one process uses it,
// and that what is in it was not written by something newer. What the files
// inside mean is the business of their owners.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const (
	formatFile = "format"
	lockFile   = "lock"
)

// Dir is an open data directory, locked until Close or the end of the process.
type Dir struct {
	path    string
	product string
	lock    *os.File
	// Found is the schema version the directory had; 0 if it is new.
	Found int
}

// ErrInUse: another process has the directory open.
var ErrInUse = errors.New("data directory is in use by another process")

// ErrNewer: the directory was written by a newer version of the product.
var ErrNewer = errors.New("data directory was written by a newer version")

// Open creates path (mode 0700) if it is missing, locks it and checks its
// format file against product and version, the newest schema the caller
// understands. A directory older than version is left as it is: the caller
// migrates it and then calls Stamp.
func Open(path, product string, version int) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	if err := os.Chmod(path, 0o700); err != nil {
		return nil, fmt.Errorf("close data directory to other users: %w", err)
	}
	d := &Dir{path: path, product: product}
	if err := d.take(); err != nil {
		return nil, err
	}
	if err := d.check(version); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return d, nil
}

// Path returns the path of name inside the directory.
func (d *Dir) Path(name ...string) string {
	return filepath.Join(append([]string{d.path}, name...)...)
}

// Close releases the lock. The files stay.
func (d *Dir) Close() error { return d.lock.Close() }

func (d *Dir) take() error {
	f, err := os.OpenFile(d.Path(lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("open lock file: %w", err)
	}
	// flock goes with the open file: a killed process leaves no stale lock.
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return fmt.Errorf("%s: %w; stop the other one, or give this one its own data_dir", d.path, ErrInUse)
		}
		return fmt.Errorf("lock data directory: %w", err)
	}
	d.lock = f
	return nil
}

func (d *Dir) check(version int) error {
	b, err := os.ReadFile(d.Path(formatFile))
	if errors.Is(err, fs.ErrNotExist) {
		return d.Stamp(version)
	}
	if err != nil {
		return fmt.Errorf("read format file: %w", err)
	}
	product, v, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	found, err := strconv.Atoi(v)
	if err != nil || found < 1 {
		return fmt.Errorf("%s is damaged: want %q, found %q", d.Path(formatFile), d.product+" N", b)
	}
	if product != d.product {
		return fmt.Errorf("%s belongs to %s, not to %s: give this daemon its own data_dir", d.path, product, d.product)
	}
	if found > version {
		return fmt.Errorf("%s: %w: it has format %d, this one knows up to %d; install the newer %s, or restore a backup made before the upgrade",
			d.path, ErrNewer, found, version, d.product)
	}
	d.Found = found
	return nil
}

// Stamp writes version into the format file, durably: it survives a power cut
// whole or not at all.
func (d *Dir) Stamp(version int) error {
	if err := d.stamp(version); err != nil {
		return fmt.Errorf("write format file: %w", err)
	}
	return nil
}

func (d *Dir) stamp(version int) error {
	tmp := d.Path(formatFile + ".new")
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s %d\n", d.product, version)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(tmp, d.Path(formatFile)); err != nil {
		return err
	}
	dir, err := os.Open(d.path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
