package powercut

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// actKind is what a step does to the disk.
type actKind int

const (
	actOpen actKind = iota
	actWrite
	actWritten
	actCopy
	actSync
	actSynced
	actResize
	actRename
	actRemove
	actMkdir
)

// act is one thing that a step does to the disk. Paths are relative to the
// root.
type act struct {
	kind actKind
	// file is the open file that it is done to.
	file     int
	path, to string
	// from and at are the open file that a copy reads, and where.
	from int
	at   int64
	// create and cut: what open does to the file. atEnd: a write behind the
	// end. shrink: a resize may shorten.
	create, cut, atEnd, shrink bool
	n                          int64
	write                      *write
	sync                       *syncing
}

// write is one change of a file's content; without bytes, of its length.
type write struct {
	at     int64
	b      []byte
	resize bool
	shrink bool
	// written: the call has returned; a sync that began before it did is no
	// promise.
	written bool
}

// syncing is a sync under way.
type syncing struct {
	node   *node
	writes []*write
	names  []*nameChange
}

// content is a file's bytes; behind b it is zero up to size.
type content struct {
	b    []byte
	size int64
}

// node is a file or a folder.
type node struct {
	folder bool
	// durable is what syncs have promised of a file, writes what came since.
	durable content
	writes  []*write
	size    int64 // as the running process sees it
	// names are a folder's as the running process sees it, kept those that
	// syncs have promised, changes what came since.
	names, kept map[string]*node
	changes     []*nameChange
}

// nameChange is one change of a folder's names: one goes, one comes, or both.
type nameChange struct {
	remove, add string
	node        *node
}

func (c *nameChange) apply(names map[string]*node) {
	if c.remove != "" {
		delete(names, c.remove)
	}
	if c.add != "" {
		names[c.add] = c.node
	}
}

func newFolder() *node {
	return &node{folder: true, names: map[string]*node{}, kept: map[string]*node{}}
}

func (n *node) change(c *nameChange) {
	c.apply(n.names)
	n.changes = append(n.changes, c)
}

// Disk replays a Trace. It is what the disk may hold at one position.
type Disk struct {
	t    *Trace
	at   int
	root *node
	open map[int]*node
	// writes and syncs are this replay's own of those that acts name.
	writes map[*write]*write
	syncs  map[*syncing]*syncing
}

// NewDisk returns the disk at the beginning of t. before is a folder with what
// was there, all of it durable; "" if nothing was, not even the root's name.
func (t *Trace) NewDisk(before string) (*Disk, error) {
	d := &Disk{
		t: t, root: newFolder(), open: map[int]*node{}, writes: map[*write]*write{}, syncs: map[*syncing]*syncing{},
	}
	if before == "" {
		return d, nil
	}
	return d, d.load(before, d.root)
}

func (d *Disk) load(dir string, into *node) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		n := newFolder()
		if e.IsDir() {
			if err := d.load(name, n); err != nil {
				return err
			}
		} else {
			b, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			size := int64(len(b))
			n = &node{durable: content{b, size}, size: size}
		}
		into.names[e.Name()], into.kept[e.Name()] = n, n
	}
	return nil
}

// Advance replays up to position at, which must not lie before the last one.
func (d *Disk) Advance(at int) error {
	for ; d.at < at; d.at++ {
		for _, a := range d.t.acts[d.at] {
			if err := d.apply(a); err != nil {
				return fmt.Errorf("replay step %d: %w", d.at, err)
			}
		}
	}
	return nil
}

// find returns the folder that a path lies in and the path's last name.
func (d *Disk) find(p string) (*node, string, error) {
	n := d.root
	dir, name := path.Split(p)
	for _, part := range strings.Split(strings.Trim(dir, "/"), "/") {
		if part == "" {
			continue
		}
		if n = n.names[part]; n == nil || !n.folder {
			return nil, "", fmt.Errorf("%w: %s lies in no known folder", ErrNotModelled, p)
		}
	}
	return n, name, nil
}

func (d *Disk) apply(a act) error {
	n := d.open[a.file]
	switch a.kind {
	case actOpen:
		return d.openFile(a)
	case actRename, actRemove, actMkdir:
		return d.rename(a)
	case actWrite:
		w := *a.write
		d.writes[a.write] = &w
		n.write(&w, a.atEnd)
	case actWritten:
		w := d.writes[a.write]
		delete(d.writes, a.write)
		w.written = true
		w.b = w.b[:min(int64(len(w.b)), a.n)]
	case actCopy:
		c := d.open[a.from].remains(always)
		b := append(slices.Clone(c.b), make([]byte, c.size-int64(len(c.b)))...)
		n.write(&write{at: a.write.at, b: b[a.at : a.at+a.n], written: true}, false)
	case actResize:
		n.resize(a.n, a.shrink)
	case actSync:
		d.syncs[a.sync] = begin(n)
	case actSynced:
		d.syncs[a.sync].end()
		delete(d.syncs, a.sync)
	}
	return nil
}

func (d *Disk) openFile(a act) error {
	if a.path == "." {
		d.open[a.file] = d.root
		return nil
	}
	dir, name, err := d.find(a.path)
	if err != nil {
		return err
	}
	n := dir.names[name]
	if n == nil && !a.create {
		return fmt.Errorf("%w: %s appeared by itself", ErrNotModelled, a.path)
	}
	if n == nil {
		n = &node{}
		dir.change(&nameChange{add: name, node: n})
	}
	if a.cut && n.size > 0 {
		n.resize(0, true)
	}
	d.open[a.file] = n
	return nil
}

func (d *Disk) rename(a act) error {
	if a.path == "." {
		return nil // the root is always there
	}
	dir, name, err := d.find(a.path)
	if err != nil {
		return err
	}
	n := dir.names[name]
	if a.kind == actMkdir {
		dir.change(&nameChange{add: name, node: newFolder()})
		return nil
	}
	if n == nil {
		return fmt.Errorf("%w: %s was not known to exist", ErrNotModelled, a.path)
	}
	if a.kind == actRemove {
		dir.change(&nameChange{remove: name})
		return nil
	}
	to, last, err := d.find(a.to)
	if err != nil {
		return err
	}
	if to == dir {
		dir.change(&nameChange{remove: name, add: last, node: n})
		return nil
	}
	to.change(&nameChange{add: last, node: n})
	dir.change(&nameChange{remove: name})
	return nil
}

func (n *node) write(w *write, atEnd bool) {
	if atEnd {
		w.at = n.size
	}
	n.size = max(n.size, w.at+int64(len(w.b)))
	n.writes = append(n.writes, w)
}

func (n *node) resize(size int64, shrink bool) {
	if !shrink && size <= n.size {
		return
	}
	n.size = size
	n.writes = append(n.writes, &write{at: size, resize: true, shrink: shrink, written: true})
}

// begin notes what a sync that begins now will have made durable.
func begin(n *node) *syncing {
	y := &syncing{node: n, names: slices.Clone(n.changes)}
	for _, w := range n.writes {
		if w.written {
			y.writes = append(y.writes, w)
		}
	}
	return y
}

func (y *syncing) end() {
	n := y.node
	n.writes = takeOut(n.writes, y.writes, func(w *write) { n.durable = w.apply(n.durable) })
	n.changes = takeOut(n.changes, y.names, func(c *nameChange) { c.apply(n.kept) })
}

// takeOut calls do with those of some that all still has, and returns the rest.
func takeOut[T comparable](all, some []T, do func(T)) (rest []T) {
	in := make(map[T]bool, len(some))
	for _, x := range some {
		in[x] = true
	}
	for _, x := range all {
		if in[x] {
			do(x)
		} else {
			rest = append(rest, x)
		}
	}
	return rest
}

// apply returns c with w done to it; c's bytes may be changed.
func (w *write) apply(c content) content {
	if w.resize {
		if w.shrink || w.at > c.size {
			c.size = w.at
		}
		c.b = c.b[:min(int64(len(c.b)), c.size)]
		return c
	}
	end := w.at + int64(len(w.b))
	if more := end - int64(len(c.b)); more > 0 {
		c.b = append(c.b, make([]byte, more)...)
	}
	copy(c.b[w.at:], w.b)
	c.size = max(c.size, end)
	return c
}
