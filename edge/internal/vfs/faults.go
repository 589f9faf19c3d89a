package vfs

import (
	"io"
	"sync"
)

// Kind names a call that Faulty can fail.
type Kind string

// The kinds.
const (
	OpCreate   Kind = "create"
	OpOpen     Kind = "open"
	OpEdit     Kind = "edit"
	OpRemove   Kind = "remove"
	OpRename   Kind = "rename"
	OpList     Kind = "list"
	OpSyncDir  Kind = "syncdir"
	OpWrite    Kind = "write"
	OpRead     Kind = "read"
	OpSync     Kind = "sync"
	OpAllocate Kind = "allocate"
	OpTruncate Kind = "truncate"
)

// Op is one call about to be made.
type Op struct {
	Kind Kind
	Name string
	// Nth counts the calls of this Kind from 1, Any those of all kinds.
	Nth, Any int
}

var _ FS = (*Faulty)(nil)

// Faulty asks inject before each call and fails it with what inject returns.
// A write that fails with io.ErrShortWrite writes its first half; one that
// fails otherwise writes nothing. A failed Sync syncs nothing.
type Faulty struct {
	FS
	mu     sync.Mutex // guards the following
	inject func(Op) error
	nth    map[Kind]int
	any    int
}

// NewFaulty wraps f. inject is called by one goroutine at a time.
func NewFaulty(f FS, inject func(Op) error) *Faulty {
	return &Faulty{FS: f, inject: inject, nth: map[Kind]int{}}
}

func (f *Faulty) ask(k Kind, name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nth[k]++
	f.any++
	return f.inject(Op{Kind: k, Name: name, Nth: f.nth[k], Any: f.any})
}

func (f *Faulty) open(k Kind, name string, do func(string) (File, error)) (File, error) {
	if err := f.ask(k, name); err != nil {
		return nil, err
	}
	file, err := do(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{File: file, fs: f, name: name}, nil
}

// Create implements FS.
func (f *Faulty) Create(name string) (File, error) { return f.open(OpCreate, name, f.FS.Create) }

// Open implements FS.
func (f *Faulty) Open(name string) (File, error) { return f.open(OpOpen, name, f.FS.Open) }

// Edit implements FS.
func (f *Faulty) Edit(name string) (File, error) { return f.open(OpEdit, name, f.FS.Edit) }

// Remove implements FS.
func (f *Faulty) Remove(name string) error {
	if err := f.ask(OpRemove, name); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

// Rename implements FS.
func (f *Faulty) Rename(from, to string) error {
	if err := f.ask(OpRename, to); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

// List implements FS.
func (f *Faulty) List(dir string) ([]string, error) {
	if err := f.ask(OpList, dir); err != nil {
		return nil, err
	}
	return f.FS.List(dir)
}

// SyncDir implements FS.
func (f *Faulty) SyncDir(dir string) error {
	if err := f.ask(OpSyncDir, dir); err != nil {
		return err
	}
	return f.FS.SyncDir(dir)
}

type faultyFile struct {
	File
	fs   *Faulty
	name string
}

func (f *faultyFile) WriteAt(b []byte, off int64) (int, error) {
	err := f.fs.ask(OpWrite, f.name)
	if err == io.ErrShortWrite { //nolint:errorlint // a sentinel of inject, never wrapped
		n, werr := f.File.WriteAt(b[:len(b)/2], off)
		if werr != nil {
			return n, werr
		}
		return n, err
	}
	if err != nil {
		return 0, err
	}
	return f.File.WriteAt(b, off)
}

func (f *faultyFile) ReadAt(b []byte, off int64) (int, error) {
	if err := f.fs.ask(OpRead, f.name); err != nil {
		return 0, err
	}
	return f.File.ReadAt(b, off)
}

func (f *faultyFile) Sync() error {
	if err := f.fs.ask(OpSync, f.name); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultyFile) Allocate(size int64) error {
	if err := f.fs.ask(OpAllocate, f.name); err != nil {
		return err
	}
	return f.File.Allocate(size)
}

func (f *faultyFile) Truncate(size int64) error {
	if err := f.fs.ask(OpTruncate, f.name); err != nil {
		return err
	}
	return f.File.Truncate(size)
}
