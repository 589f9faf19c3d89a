package outbox

import (
	"path"
	"sync"

	"github.com/linshao/linshao/protocol/kit/chaos"

	"github.com/linshao/linshao/edge/internal/vfs"
)

const (
	reserveName = "reserve"
	// releaseStep is what one call that found the disk full gets: a few
	// segments of the alarm log.
	releaseStep = 1 << 20
)

// reserve is a file that takes space from the disk so that alarms find some
// when everything else is full. It shrinks for them and grows again later. Its
// content means nothing, so nothing of it is ever synced.
type reserve struct {
	fs   vfs.FS
	dir  string
	want int64

	mu sync.Mutex
	// have is its size.
	have int64
}

func newReserve(fs vfs.FS, dir string, want int64) *reserve {
	r := &reserve{fs: fs, dir: dir, want: want}
	f, err := fs.Open(r.path())
	if err != nil {
		return r
	}
	defer f.Close()
	if n, err := f.Size(); err == nil {
		r.have = n
	}
	return r
}

func (r *reserve) path() string { return path.Join(r.dir, reserveName) }

// with runs do, and again with more space while it fails for want of that.
func (r *reserve) with(do func() error) error {
	err := do()
	for vfs.IsDiskFull(err) && r.release() {
		err = do()
	}
	return err
}

// release gives a step of the reserve back to the disk; false if there is none.
func (r *reserve) release() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.have <= 0 {
		return false
	}
	return r.resize(max(0, r.have-releaseStep)) == nil
}

// top makes the reserve whole again if the disk has twice the room for it.
func (r *reserve) top() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.have == r.want {
		return
	}
	if free, err := r.fs.Free(r.dir); err != nil || free < 2*r.want-r.have {
		return
	}
	_ = r.resize(r.want) // else the next one; missing counts it meanwhile
}

// missing is what the reserve lacks, which samples must leave alone.
func (r *reserve) missing() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return max(0, r.want-r.have)
}

func (r *reserve) resize(n int64) error {
	f, err := r.fs.Edit(r.path())
	if vfs.IsNotExist(err) {
		f, err = r.fs.Create(r.path())
	}
	if err != nil {
		return err
	}
	defer f.Close()
	if n > r.have {
		chaos.At("reserve.grow.before")
		err = f.Allocate(n)
		chaos.At("reserve.grow.after")
	} else {
		err = f.Truncate(n)
	}
	if err == nil {
		r.have = n
	}
	return err
}
