package powercut

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// parser follows one process: which descriptor is what.
type parser struct {
	t *Trace
	// files are open files and folders below the root.
	files map[int]*openFile
	// conns are sockets; ports are those that listen.
	conns map[int]Conn
	ports map[int]int
	next  int
	// writes and syncs are those under way.
	writes map[*call]*write
	syncs  map[*call]*syncing
}

// openFile is one open file description.
type openFile struct {
	path     string // when it was opened; only to tell what is not modelled
	id       int    // the acts name it by this
	offset   int64
	appended bool
}

func newParser(t *Trace) *parser {
	return &parser{
		t: t, files: map[int]*openFile{}, conns: map[int]Conn{}, ports: map[int]int{},
		next: len(t.steps), writes: map[*call]*write{}, syncs: map[*call]*syncing{},
	}
}

func (p *parser) step(s step) error {
	p.t.steps = append(p.t.steps, s)
	p.t.acts = append(p.t.acts, nil)
	if s.end && (!s.c.done || s.c.ret < 0 && s.c.name != "connect") {
		return p.failed(s.c)
	}
	var err error
	switch s.c.name {
	case "openat", "open", "creat":
		err = p.open(s)
	case "close":
		if !s.end {
			delete(p.files, s.c.fd(0))
			delete(p.conns, s.c.fd(0))
		}
	case "read":
		p.read(s)
	case "lseek":
		if f := p.files[s.c.fd(0)]; f != nil && s.end {
			f.offset = s.c.ret
		}
	case "write", "writev", "pwrite64":
		err = p.write(s)
	case "copy_file_range":
		err = p.copied(s)
	case "fsync", "fdatasync":
		p.sync(s)
	case "ftruncate", "fallocate":
		err = p.resize(s)
	case "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir", "mkdir", "mkdirat":
		err = p.names(s)
	case "bind", "accept4", "accept", "connect":
		p.socket(s)
	case "mmap":
		p.mapped(s)
	default:
		err = p.unknown(s)
	}
	if err != nil {
		return fmt.Errorf("step %d: %w", len(p.t.steps), err)
	}
	return nil
}

func (p *parser) do(a act) {
	last := len(p.t.acts) - 1
	p.t.acts[last] = append(p.t.acts[last], a)
}

// failed takes back what a call began that came to nothing.
func (p *parser) failed(c *call) error {
	if w := p.writes[c]; w != nil && c.done {
		delete(p.writes, c)
		p.do(act{kind: actWritten, write: w, n: 0})
	}
	if p.syncs[c] != nil && c.done {
		return fmt.Errorf("%w: a sync that failed", ErrNotModelled)
	}
	return nil
}

// died ends a run: what a killed process had begun to write and did not finish
// is not written. strace held it at the door of the kernel.
func (p *parser) died() {
	p.t.steps = append(p.t.steps, step{c: &call{name: "exit"}, end: true})
	p.t.acts = append(p.t.acts, nil)
	for _, w := range p.writes {
		p.do(act{kind: actWritten, write: w, n: 0})
	}
}

// path of a name argument at i, relative to the folder argument before it.
func (p *parser) path(c *call, i int) (string, bool) {
	name := string(c.bytes(i))
	if !filepath.IsAbs(name) && i > 0 {
		name = filepath.Join(label(c.arg(i-1)), name)
	}
	return p.t.below(filepath.Clean(name))
}

func (p *parser) open(s step) error {
	if !s.end {
		return nil
	}
	at, flags := 0, s.c.arg(1)
	switch s.c.name {
	case "openat":
		at, flags = 1, s.c.arg(2)
	case "creat":
		flags = "O_CREAT|O_TRUNC"
	}
	rel, ok := p.path(s.c, at)
	if !ok {
		return nil
	}
	if strings.Contains(flags, "SYNC") {
		return fmt.Errorf("%w: open with %s", ErrNotModelled, flags)
	}
	p.next++
	fd := int(s.c.ret)
	p.files[fd] = &openFile{path: rel, id: p.next, appended: strings.Contains(flags, "O_APPEND")}
	p.do(act{kind: actOpen, file: p.next, path: rel, create: strings.Contains(flags, "O_CREAT"), cut: strings.Contains(flags, "O_TRUNC")})
	return nil
}

func (p *parser) read(s step) {
	if !s.end {
		return
	}
	if k, ok := p.conns[s.c.fd(0)]; ok && s.c.ret > 0 {
		p.t.Heard = append(p.t.Heard, Traffic{At: len(p.t.steps), Conn: k, Data: s.c.bytes(1)})
	}
	if f := p.files[s.c.fd(0)]; f != nil {
		f.offset += s.c.ret
	}
}

func (p *parser) write(s step) error {
	if s.end {
		if w := p.writes[s.c]; w != nil {
			delete(p.writes, s.c)
			p.do(act{kind: actWritten, write: w, n: s.c.ret})
		}
		return nil
	}
	fd := s.c.fd(0)
	if k, ok := p.conns[fd]; ok {
		p.t.Sent = append(p.t.Sent, Traffic{At: len(p.t.steps) - 1, Conn: k, Data: s.c.bytes(1)})
		return nil
	}
	f := p.files[fd]
	if f == nil {
		return p.stranger(s.c)
	}
	w := &write{b: s.c.bytes(1), at: f.offset}
	if s.c.name == "pwrite64" {
		at, err := s.c.number(3)
		if err != nil {
			return err
		}
		w.at = at
	} else {
		f.offset += int64(len(w.b)) // exact as long as no write is short
	}
	p.writes[s.c] = w
	p.do(act{kind: actWrite, file: f.id, write: w, atEnd: f.appended && s.c.name != "pwrite64"})
	return nil
}

// copied follows a copy between files of the folder, from where each stands.
func (p *parser) copied(s step) error {
	from, to := p.files[s.c.fd(0)], p.files[s.c.fd(2)]
	if !s.end || from == nil && to == nil {
		return nil
	}
	if from == nil || to == nil || s.c.arg(1) != "NULL" || s.c.arg(3) != "NULL" {
		return fmt.Errorf("%w: copy_file_range between %s and %s", ErrNotModelled, s.c.arg(0), s.c.arg(2))
	}
	p.do(act{kind: actCopy, file: to.id, from: from.id, n: s.c.ret, write: &write{at: to.offset}, at: from.offset})
	from.offset += s.c.ret
	to.offset += s.c.ret
	return nil
}

// stranger: a descriptor that nobody opened may not be below the root.
func (p *parser) stranger(c *call) error {
	if rel, ok := p.t.below(label(c.arg(0))); ok {
		return fmt.Errorf("%w: %s of %s through a descriptor of unknown origin", ErrNotModelled, c.name, rel)
	}
	return nil
}

func (p *parser) sync(s step) {
	if s.end {
		if y := p.syncs[s.c]; y != nil {
			p.do(act{kind: actSynced, sync: y})
		}
		return
	}
	if f := p.files[s.c.fd(0)]; f != nil {
		y := &syncing{}
		p.syncs[s.c] = y
		p.do(act{kind: actSync, file: f.id, sync: y})
	}
}

func (p *parser) resize(s step) error {
	f := p.files[s.c.fd(0)]
	if f == nil {
		return p.stranger(s.c)
	}
	if !s.end {
		return nil
	}
	a := act{kind: actResize, file: f.id, shrink: true}
	var err error
	if s.c.name == "ftruncate" {
		a.n, err = s.c.number(1)
	} else {
		a.shrink = false
		var from, size int64
		from, err = s.c.number(2)
		if err == nil {
			size, err = s.c.number(3)
		}
		a.n = from + size
		if mode := s.c.arg(1); mode == "FALLOC_FL_KEEP_SIZE" {
			return err
		} else if mode != "0" {
			return fmt.Errorf("%w: fallocate with %s", ErrNotModelled, mode)
		}
	}
	p.do(a)
	return err
}

func (p *parser) names(s step) error {
	if !s.end {
		return nil
	}
	at := 0
	if strings.HasSuffix(s.c.name, "at") || strings.HasSuffix(s.c.name, "at2") {
		at = 1
	}
	rel, ok := p.path(s.c, at)
	a := act{path: rel}
	switch {
	case strings.HasPrefix(s.c.name, "rename"):
		to, inside := p.path(s.c, at*2+1)
		if !ok && !inside {
			return nil
		}
		if ok != inside {
			return fmt.Errorf("%w: rename into or out of the folder", ErrNotModelled)
		}
		a.kind, a.to = actRename, to
	case strings.HasPrefix(s.c.name, "mkdir"):
		a.kind = actMkdir
	default:
		a.kind = actRemove
	}
	if ok && !p.t.sockets[rel] {
		p.do(a)
	}
	return nil
}

var portOf = regexp.MustCompile(`sin6?_port=htons\((\d+)\)`)

func port(s string) int {
	m := portOf.FindStringSubmatch(s)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0
	}
	return n
}

func (p *parser) socket(s step) {
	switch {
	case s.c.name == "bind" && strings.Contains(s.c.arg(1), "AF_UNIX"):
		if rel, ok := p.t.below(string(s.c.bytes(1))); ok {
			p.t.sockets[rel] = true
		}
	case s.c.name == "bind" && s.end:
		p.ports[s.c.fd(0)] = port(s.c.arg(1))
	case s.c.name == "connect" && !s.end:
		if n := port(s.c.arg(1)); n != 0 {
			p.next++
			p.conns[s.c.fd(0)] = Conn{Number: p.next, Remote: n}
		}
	case strings.HasPrefix(s.c.name, "accept") && s.end:
		p.next++
		p.conns[int(s.c.ret)] = Conn{Number: p.next, Listener: p.ports[s.c.fd(0)], Remote: port(s.c.arg(1))}
	}
}

func (p *parser) mapped(s step) {
	fd := 4
	if !s.end || !strings.Contains(s.c.arg(2), "PROT_WRITE") || !strings.Contains(s.c.arg(3), "MAP_SHARED") {
		return
	}
	if f := p.files[s.c.fd(fd)]; f != nil && !slices.Contains(p.t.Mapped, f.path) {
		p.t.Mapped = append(p.t.Mapped, f.path)
	}
}

// unknown calls are none of our business unless they name the folder.
func (p *parser) unknown(s step) error {
	for i := range s.c.args {
		_, open := p.files[s.c.fd(i)]
		name := string(s.c.bytes(i))
		_, inside := p.t.below(filepath.Clean(name))
		if open || name != "" && inside {
			return fmt.Errorf("%w: %s", ErrNotModelled, s.c.name)
		}
	}
	return nil
}
