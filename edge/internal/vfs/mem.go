package vfs

import (
	"io"
	"io/fs"
	"path"
	"slices"
	"sort"
	"strings"
	"sync"
	"syscall"
)

var _ FS = (*Mem)(nil)

// Mem is a file system in memory that remembers what was synced. It is for
// tests.
type Mem struct {
	mu sync.Mutex // guards everything, inodes included
	// names is what a running program sees.
	names map[string]*inode
	dirs  map[string]bool
	// durable is what the names of each folder were at its last SyncDir, and
	// changes what happened since, in order.
	durable map[string]*inode
	changes []change
	// capacity bounds the bytes of all files; 0 is unbounded.
	capacity int64
}

// change is one change of names that no SyncDir has made durable yet.
type change struct {
	dir, remove, add string
	node             *inode
}

// inode is the content of a file, under whatever names.
type inode struct {
	now     []byte // what a running program reads
	durable []byte // what was there at the last Sync
	writes  []write
}

// write is one change of content since the last Sync; with resize, only of
// its length.
type write struct {
	at     int64
	b      []byte
	resize bool
}

// NewMem returns an empty file system.
func NewMem() *Mem {
	return &Mem{names: map[string]*inode{}, durable: map[string]*inode{}, dirs: map[string]bool{"/": true, ".": true}}
}

// SetCapacity bounds the bytes of all files; 0 is unbounded.
func (m *Mem) SetCapacity(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.capacity = n
}

// Used returns the bytes of all files.
func (m *Mem) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.usedLocked()
}

func (m *Mem) usedLocked() int64 {
	var n int64
	for _, i := range m.names {
		n += int64(len(i.now))
	}
	return n
}

func pathErr(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// Create implements FS.
func (m *Mem) Create(name string) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = path.Clean(name)
	if m.names[name] != nil {
		return nil, pathErr("create", name, fs.ErrExist)
	}
	if !m.dirs[path.Dir(name)] {
		return nil, pathErr("create", name, fs.ErrNotExist)
	}
	i := &inode{}
	m.names[name] = i
	m.changes = append(m.changes, change{dir: path.Dir(name), add: name, node: i})
	return &memFile{m: m, i: i, name: name, writable: true}, nil
}

// Open implements FS.
func (m *Mem) Open(name string) (File, error) { return m.open(name, false) }

// Edit implements FS.
func (m *Mem) Edit(name string) (File, error) { return m.open(name, true) }

func (m *Mem) open(name string, writable bool) (File, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = path.Clean(name)
	i := m.names[name]
	if i == nil {
		return nil, pathErr("open", name, fs.ErrNotExist)
	}
	return &memFile{m: m, i: i, name: name, writable: writable}, nil
}

// Remove implements FS.
func (m *Mem) Remove(name string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = path.Clean(name)
	if m.names[name] == nil {
		return pathErr("remove", name, fs.ErrNotExist)
	}
	delete(m.names, name)
	m.changes = append(m.changes, change{dir: path.Dir(name), remove: name})
	return nil
}

// Rename implements FS. Both names must be in one folder.
func (m *Mem) Rename(from, to string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	from, to = path.Clean(from), path.Clean(to)
	i := m.names[from]
	if i == nil {
		return pathErr("rename", from, fs.ErrNotExist)
	}
	delete(m.names, from)
	m.names[to] = i
	m.changes = append(m.changes, change{dir: path.Dir(to), remove: from, add: to, node: i})
	return nil
}

// MkdirAll implements FS.
func (m *Mem) MkdirAll(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	for d := path.Clean(dir); !m.dirs[d]; d = path.Dir(d) {
		m.dirs[d] = true
	}
	return nil
}

// List implements FS.
func (m *Mem) List(dir string) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = path.Clean(dir)
	if !m.dirs[dir] {
		return nil, pathErr("list", dir, fs.ErrNotExist)
	}
	var out []string
	for n := range m.names {
		if path.Dir(n) == dir {
			out = append(out, path.Base(n))
		}
	}
	for d := range m.dirs {
		if path.Dir(d) == dir && d != dir {
			out = append(out, path.Base(d))
		}
	}
	sort.Strings(out)
	return out, nil
}

// SyncDir implements FS.
func (m *Mem) SyncDir(dir string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir = path.Clean(dir)
	var rest []change
	for _, c := range m.changes {
		if c.dir != dir {
			rest = append(rest, c)
			continue
		}
		c.apply(m.durable)
	}
	m.changes = rest
	return nil
}

func (c change) apply(names map[string]*inode) {
	if c.remove != "" {
		delete(names, c.remove)
	}
	if c.add != "" {
		names[c.add] = c.node
	}
}

// Free implements FS.
func (m *Mem) Free(string) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.capacity == 0 {
		return 1 << 50, nil
	}
	return max(0, m.capacity-m.usedLocked()), nil
}

// Paths returns the names of all files below dir, sorted.
func (m *Mem) Paths(dir string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var out []string
	for n := range m.names {
		if strings.HasPrefix(n, path.Clean(dir)+"/") {
			out = append(out, n)
		}
	}
	sort.Strings(out)
	return out
}

type memFile struct {
	m        *Mem
	i        *inode
	name     string
	writable bool
}

func (f *memFile) Close() error { return nil }

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if off >= int64(len(f.i.now)) {
		return 0, io.EOF
	}
	n := copy(b, f.i.now[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if !f.writable {
		return 0, pathErr("write", f.name, fs.ErrPermission)
	}
	if err := f.growLocked(off + int64(len(b))); err != nil {
		return 0, pathErr("write", f.name, err)
	}
	copy(f.i.now[off:], b)
	f.i.writes = append(f.i.writes, write{at: off, b: slices.Clone(b)})
	return len(b), nil
}

func (f *memFile) growLocked(size int64) error {
	more := size - int64(len(f.i.now))
	if more <= 0 {
		return nil
	}
	if f.m.capacity > 0 && f.m.usedLocked()+more > f.m.capacity {
		return syscall.ENOSPC
	}
	f.i.now = append(f.i.now, make([]byte, more)...)
	return nil
}

func (f *memFile) Sync() error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	// Apply rather than copy: a segment is mostly zeros that do not change.
	for _, w := range f.i.writes {
		f.i.durable = w.apply(f.i.durable)
	}
	f.i.writes = nil
	return nil
}

func (f *memFile) Allocate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if size <= int64(len(f.i.now)) {
		return nil
	}
	if err := f.growLocked(size); err != nil {
		return pathErr("allocate", f.name, err)
	}
	f.i.writes = append(f.i.writes, write{at: size, resize: true})
	return nil
}

func (f *memFile) Truncate(size int64) error {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	if err := f.growLocked(size); err != nil {
		return pathErr("truncate", f.name, err)
	}
	f.i.now = f.i.now[:size:size]
	f.i.writes = append(f.i.writes, write{at: size, resize: true})
	return nil
}

func (f *memFile) Size() (int64, error) {
	f.m.mu.Lock()
	defer f.m.mu.Unlock()
	return int64(len(f.i.now)), nil
}

// apply returns b with w done to it.
func (w write) apply(b []byte) []byte {
	end := w.at + int64(len(w.b))
	if w.resize && end < int64(len(b)) {
		return b[:end:end]
	}
	if more := end - int64(len(b)); more > 0 {
		b = append(b, make([]byte, more)...)
	}
	copy(b[w.at:], w.b)
	return b
}
