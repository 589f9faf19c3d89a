package simulation

import (
	"errors"
	"sync"
	"syscall"

	edge "github.com/linshao/linshao/edge/app"
)

// errDead answers a daemon that was killed and does not know it yet.
var errDead = errors.New("this daemon is dead")

// disk is the disk of one run of an edge. It can fail, and it can die at a
// chosen call: what the next run finds is then what this one had done before
// that call, and what this run still does is nothing to anybody.
type disk struct {
	mem *edge.MemDisk
	// lies: a sync does nothing.
	lies bool

	mu sync.Mutex // guards the following; held during no call of mem but Crash and Clone
	// failing: calls that change something fail with it.
	failing error
	// dieAt is how many changing calls are left; 0: no such plan.
	dieAt int
	// left is what the next run finds, nil while this one lives.
	left *edge.MemDisk
	// power: it dies by a power cut, with that seed; else by kill -9.
	power bool
	seed  uint64
	// died is called, without mu, when dieAt is reached.
	died func()
}

// allow is asked before each call that changes something.
func (d *disk) allow() error {
	d.mu.Lock()
	if d.left == nil && d.dieAt > 0 {
		if d.dieAt--; d.dieAt == 0 {
			d.dieLocked()
			d.mu.Unlock()
			d.died()
			return errDead
		}
	}
	defer d.mu.Unlock()
	if d.left != nil {
		return errDead
	}
	return d.failing
}

func (d *disk) dieLocked() {
	if d.left != nil {
		return
	}
	if d.power {
		d.left = d.mem.Crash(d.seed)
	} else {
		d.left = d.mem.Clone()
	}
}

// die ends the run now and returns what the next one finds.
func (d *disk) die(power bool, seed uint64) *edge.MemDisk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.left == nil {
		d.power, d.seed = power, seed
	}
	d.dieLocked()
	return d.left
}

// dieAfter has the run end at its n-th changing call from now.
func (d *disk) dieAfter(n int, power bool, seed uint64, died func()) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dieAt, d.power, d.seed, d.died = n, power, seed, died
}

func (d *disk) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = err
}

var _ edge.Disk = (*disk)(nil)

func (d *disk) file(f edge.DiskFile, err error) (edge.DiskFile, error) {
	if err != nil {
		return nil, err
	}
	return &diskFile{f, d}, nil
}

func (d *disk) Create(name string) (edge.DiskFile, error) {
	if err := d.allow(); err != nil {
		return nil, err
	}
	return d.file(d.mem.Create(name))
}

func (d *disk) Open(name string) (edge.DiskFile, error) { return d.file(d.mem.Open(name)) }

func (d *disk) Edit(name string) (edge.DiskFile, error) {
	if err := d.allow(); err != nil {
		return nil, err
	}
	return d.file(d.mem.Edit(name))
}

func (d *disk) Remove(name string) error {
	if err := d.allow(); err != nil {
		return err
	}
	return d.mem.Remove(name)
}

func (d *disk) Rename(from, to string) error {
	if err := d.allow(); err != nil {
		return err
	}
	return d.mem.Rename(from, to)
}

func (d *disk) MkdirAll(dir string) error { return d.mem.MkdirAll(dir) }

func (d *disk) List(dir string) ([]string, error) { return d.mem.List(dir) }

func (d *disk) SyncDir(dir string) error {
	if err := d.allow(); err != nil {
		return err
	}
	return d.mem.SyncDir(dir)
}

func (d *disk) Free(dir string) (int64, error) {
	d.mu.Lock()
	full := errors.Is(d.failing, syscall.ENOSPC)
	d.mu.Unlock()
	if full {
		return 0, nil
	}
	return d.mem.Free(dir)
}

type diskFile struct {
	edge.DiskFile
	d *disk
}

func (f *diskFile) WriteAt(p []byte, off int64) (int, error) {
	if err := f.d.allow(); err != nil {
		return 0, err
	}
	return f.DiskFile.WriteAt(p, off)
}

func (f *diskFile) Sync() error {
	if err := f.d.allow(); err != nil {
		return err
	}
	if f.d.lies {
		return nil
	}
	return f.DiskFile.Sync()
}

func (f *diskFile) Allocate(size int64) error {
	if err := f.d.allow(); err != nil {
		return err
	}
	return f.DiskFile.Allocate(size)
}

func (f *diskFile) Truncate(size int64) error {
	if err := f.d.allow(); err != nil {
		return err
	}
	return f.DiskFile.Truncate(size)
}
