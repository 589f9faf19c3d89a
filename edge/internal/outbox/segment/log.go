package segment

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"sync"

	"github.com/linshao/linshao/protocol/kit/chaos"

	"github.com/linshao/linshao/edge/internal/vfs"
)

// defaultLease is how many Indexes the mark runs ahead [S-5.2]: one sync more in
// 4,096 records.
const defaultLease = 4096

// keptBuffer bounds the memory that a log keeps between two Appends.
const keptBuffer = 1 << 20

// Errors of Append.
var (
	// ErrTooLarge: a record is empty or larger than MaxRecord.
	ErrTooLarge = errors.New("record is larger than the log takes")
	// ErrClosed: the log is closed, or was opened to be looked at.
	ErrClosed = errors.New("log is not open for writing")
	// ErrNoLife: the log is new or lost its end, and Begin was not called.
	ErrNoLife = errors.New("log has no life to write in")
)

// Options size a log. The zero value is good.
type Options struct {
	// SegmentBytes is the size of one segment; 8 MiB if 0.
	SegmentBytes int64
	// MinSegmentBytes is how small segments may get when the disk has no room
	// for a whole one; SegmentBytes/32 if 0.
	MinSegmentBytes int64
	// Lease is how many Indexes the mark runs ahead; 4,096 if 0.
	Lease Index
	// Floor is an Index the owner knows to have been used.
	Floor Index
}

// Item is one record to append.
type Item struct {
	// Body has 1 to MaxRecord bytes; Append does not keep it.
	Body []byte
	// TimeMS is the record's time, in Unix milliseconds; 0 if unknown.
	TimeMS int64
	// Anchor marks a record from which a reader can start over.
	Anchor bool
}

// Log is one open log. Its methods are safe for concurrent use: writers take
// turns, readers never wait for a writer's disk.
type Log struct {
	fs   vfs.FS
	dir  string
	kind Kind
	o    Options
	// inspected: opened to be looked at.
	inspected bool

	// w serialises Append, Begin, Truncate and Close, and guards the
	// following.
	w      sync.Mutex
	marker marker
	// active is the file of the last entry while it may be written to; nil
	// before the first Append and after a failure.
	active vfs.File
	// written is up to where active has been written, zeros included.
	written  int64
	writable bool
	hasLife  bool
	next     Index
	nextID   uint64
	buf      []byte
	// unlisted are files to be removed once the list on disk is sure not to
	// name them.
	unlisted []string

	// mu guards the following, for short moments only.
	mu      sync.Mutex
	life    Life
	entries []entry // last of them open if active is not nil; else all sealed
}

// Open opens the log in folder dir, which must exist, with its mark in the
// file markName, and repairs what it finds. The log is not written to before
// the first Append.
func Open(fs vfs.FS, dir, markName string, kind Kind, o Options) (*Log, Recovery, error) {
	if o.SegmentBytes == 0 {
		o.SegmentBytes = 8 << 20
	}
	if o.MinSegmentBytes == 0 {
		o.MinSegmentBytes = max(o.SegmentBytes/32, headerSize+1024)
	}
	if o.Lease == 0 {
		o.Lease = defaultLease
	}
	r, err := find(fs, dir, markName, kind)
	if err != nil {
		return nil, Recovery{}, fmt.Errorf("open log %s: %w", dir, err)
	}
	l := newLog(fs, dir, kind, r)
	l.o = o
	l.writable, l.hasLife = true, r.Proven
	l.next = r.next(o)
	l.unlisted = r.unlisted
	l.marker = marker{fs: fs, name: markName, kind: kind, mark: r.mark}
	l.tidy(r)
	return l, r.Recovery, nil
}

// Inspect opens the log to be read only, also beside the process that writes
// it. Nothing is changed.
func Inspect(fs vfs.FS, dir, markName string, kind Kind) (*Log, Recovery, error) {
	for try := 0; ; try++ {
		r, err := find(fs, dir, markName, kind)
		if err != nil {
			return nil, Recovery{}, fmt.Errorf("inspect log %s: %w", dir, err)
		}
		// A segment that is missing may just have been truncated away.
		if try == 3 || !r.misses() {
			l := newLog(fs, dir, kind, r)
			l.inspected = true
			return l, r.Recovery, nil
		}
	}
}

func (r *found) misses() bool {
	for _, e := range r.list.entries {
		if e.file == "" {
			return true
		}
	}
	return false
}

func newLog(fs vfs.FS, dir string, kind Kind, r *found) *Log {
	return &Log{
		fs: fs, dir: dir, kind: kind, life: r.list.life, entries: r.list.entries, nextID: max(r.list.nextID, 1),
	}
}

// tidy removes and shortens what nobody needs [S-1.2]. What fails here fails
// again, or not, at the next start.
func (l *Log) tidy(r *found) {
	// The list we see may be one that a killed process had no time to make
	// durable. Were it undone after this, it would name what we remove.
	if len(r.stray) > 0 && l.fs.SyncDir(l.dir) != nil {
		r.stray = nil
	}
	for _, s := range r.stray {
		// One of a life that is not known may be of another log.
		known := slices.ContainsFunc(l.entries, func(e entry) bool { return e.life == s.life })
		cutOff := known && s.id < l.entries[0].id
		if s.ours && (s.idle || cutOff) {
			_ = l.fs.Remove(path.Join(l.dir, s.name))
			continue
		}
		_ = l.fs.Rename(path.Join(l.dir, s.name), path.Join(l.dir, s.name+".quarantine"))
	}
	for _, id := range r.reopened {
		for _, e := range l.entries {
			if e.id != id || e.file == "" {
				continue
			}
			f, err := l.fs.Edit(path.Join(l.dir, e.file))
			if err != nil {
				continue
			}
			chaos.At("segment.reopen.before")
			if r.LostLast == 0 {
				_ = f.Truncate(e.used)
			}
			chaos.At("segment.recut.after")
			_ = f.Sync() // what a killed process wrote and did not sync
			chaos.At("segment.reopen.after")
			_ = f.Close()
		}
	}
}

// Begin starts a new life: the records appended from now on belong to it,
// their Sequences count from 1. It is durable on return.
func (l *Log) Begin(id [16]byte) error {
	l.w.Lock()
	defer l.w.Unlock()
	if !l.writable {
		return ErrClosed
	}
	l.hasLife = false
	l.seal()
	life := Life{ID: id, Base: l.next - 1}
	if err := l.saveList(list{life: life, nextID: l.nextID, entries: l.sealedEntries()}); err != nil {
		return fmt.Errorf("begin life: %w", err)
	}
	if err := l.marker.save(mark{life: life, durable: l.last(), issued: l.next - 1}); err != nil {
		return fmt.Errorf("begin life: %w", err)
	}
	l.mu.Lock()
	l.life = life
	l.mu.Unlock()
	l.hasLife = true
	return nil
}

// Append makes items durable, in order and as one batch, and returns the Index
// of the first; the others follow it. After an error none of them is
// acknowledged, nor will be: the caller may append them again and they get new
// Indexes. Errors: ErrTooLarge, ErrNoLife, ErrClosed, or the disk's.
func (l *Log) Append(items []Item) (Index, error) {
	l.w.Lock()
	defer l.w.Unlock()
	if err := l.mayAppend(items); err != nil {
		return 0, err
	}
	need := int64(0)
	for _, it := range items {
		need += FrameSize(len(it.Body))
	}
	first := l.next
	end := first + Index(len(items)) - 1
	if err := l.makeRoom(need); err != nil {
		return 0, fmt.Errorf("new segment: %w", err)
	}
	if err := l.leaseTo(end); err != nil {
		return 0, fmt.Errorf("raise mark: %w", err)
	}
	l.next = end + 1 // given out from here on, come what may
	e := l.encode(first, items)
	if err := l.commit(e.used-int64(len(l.buf)), e.capacity); err != nil {
		l.seal()
		return 0, err
	}
	l.mu.Lock()
	l.entries[len(l.entries)-1] = e
	l.mu.Unlock()
	m := l.marker.mark
	m.durable = end
	l.marker.set(m)
	if cap(l.buf) > keptBuffer {
		l.buf = nil
	}
	return first, nil
}

const (
	// smallBatch is up to how many bytes a batch is written with zeros behind
	// it, stretch how many zeros that are.
	smallBatch = 8 << 10
	stretch    = 64 << 10
	page       = 4 << 10
)

// zerosAhead puts zeros behind a small batch that is to be written at off
// [S-1.7]. A file system that reserves space marks it as not written, and a
// sync of the first write there costs it a commit of its journal, several times
// what a small batch has; where zeros lie, a batch costs its pages.
func (l *Log) zerosAhead(off, capacity int64) {
	end := off + int64(len(l.buf))
	to := min((end+stretch)&^(page-1), capacity)
	if len(l.buf) <= smallBatch && end > l.written && to > end {
		l.buf = append(l.buf, make([]byte, to-end)...)
	}
}

// commit makes buf durable at off of the active segment.
func (l *Log) commit(off, capacity int64) error {
	l.zerosAhead(off, capacity)
	chaos.At("segment.append.before")
	if _, err := l.active.WriteAt(l.buf, off); err != nil {
		return fmt.Errorf("write segment: %w", err)
	}
	l.written = max(l.written, off+int64(len(l.buf)))
	chaos.At("segment.append.after")
	if err := l.active.Sync(); err != nil && !chaos.Broken(chaos.SyncErrorIgnored) {
		return fmt.Errorf("sync segment: %w", err)
	}
	chaos.At("segment.sync.after")
	return nil
}

func (l *Log) mayAppend(items []Item) error {
	if !l.writable {
		return ErrClosed
	}
	if !l.hasLife {
		return ErrNoLife
	}
	for _, it := range items {
		if len(it.Body) == 0 || len(it.Body) > MaxRecord {
			return fmt.Errorf("%d bytes: %w", len(it.Body), ErrTooLarge)
		}
	}
	if len(items) == 0 {
		return fmt.Errorf("no records: %w", ErrTooLarge)
	}
	return nil
}

// encode fills buf with the frames of items and returns the active entry as it
// will be once they are durable.
func (l *Log) encode(first Index, items []Item) entry {
	e := l.entries[len(l.entries)-1]
	durable := l.last()
	l.buf = l.buf[:0]
	start := e.used
	for i, it := range items {
		f := frame{kind: frameRecord, index: first + Index(i), durable: durable, ms: it.TimeMS, body: it.Body}
		if it.Anchor {
			f.kind = frameAnchor
		}
		l.buf = appendFrame(l.buf, e.salt, f)
		e.note(f, start+int64(len(l.buf)))
	}
	return e
}

// last is the newest durable Index, or the one before the first.
func (l *Log) last() Index {
	for i := len(l.entries) - 1; i >= 0; i-- {
		if e := l.entries[i]; e.last != 0 {
			return e.last
		}
	}
	return 0
}

// leaseTo makes sure that the mark covers Indexes up to end.
func (l *Log) leaseTo(end Index) error {
	m := l.marker.mark
	if l.marker.file != nil && m.issued >= end {
		return nil
	}
	m.life, m.durable, m.issued = l.life, l.last(), max(m.issued, end+l.o.Lease)
	return l.marker.save(m)
}

// Truncate forgets whole segments at the front whose records all come before
// before. The last segment always stays.
func (l *Log) Truncate(before Index) error {
	l.w.Lock()
	defer l.w.Unlock()
	if !l.writable {
		return ErrClosed
	}
	n := 0
	for n < len(l.entries)-1 && l.entries[n].last < before {
		n++
	}
	if n == 0 {
		return nil
	}
	gone, kept := l.entries[:n], append([]entry(nil), l.entries[n:]...)
	err := l.saveList(l.asListed(kept))
	if vfs.IsDiskFull(err) && l.hollow() == nil {
		err = l.saveList(l.asListed(kept))
	}
	if err != nil {
		return fmt.Errorf("truncate log: %w", err)
	}
	l.mu.Lock()
	l.entries = kept
	l.mu.Unlock()
	for _, e := range gone {
		if e.file != "" {
			chaos.At("segment.remove.before")
			_ = l.fs.Remove(path.Join(l.dir, e.file)) // a leftover is removed at the next start
			chaos.At("segment.remove.after")
		}
	}
	return nil
}

// Hollow gives back the space of the oldest segment, which its owner is about to
// truncate and cannot for want of space. Its records read as damaged from now
// on, also after a restart.
func (l *Log) Hollow() error {
	l.w.Lock()
	defer l.w.Unlock()
	if !l.writable || len(l.entries) < 2 {
		return ErrClosed
	}
	return l.hollow()
}

// hollow needs no space itself. The caller holds w.
func (l *Log) hollow() error {
	e := l.entries[0]
	if e.file == "" {
		return nil
	}
	f, err := l.fs.Edit(path.Join(l.dir, e.file))
	if err != nil {
		return fmt.Errorf("empty segment: %w", err)
	}
	return errors.Join(f.Truncate(headerSize), f.Close())
}

// Resize sets how large the next segments will be. It is never less than what
// a batch needs.
func (l *Log) Resize(segmentBytes int64) {
	l.w.Lock()
	defer l.w.Unlock()
	l.o.SegmentBytes = segmentBytes
	l.o.MinSegmentBytes = min(l.o.MinSegmentBytes, segmentBytes)
}

// Close seals the log and makes its mark exact. Nothing that Append has
// acknowledged depends on it.
func (l *Log) Close() error {
	l.w.Lock()
	defer l.w.Unlock()
	if !l.writable {
		return nil
	}
	l.writable = false
	hadActive := l.active != nil
	l.seal()
	var err error
	if l.hasLife && hadActive {
		err = l.saveList(l.asListed(l.entries))
	}
	if l.hasLife && l.marker.file != nil {
		err = errors.Join(err, l.marker.save(mark{life: l.life, durable: l.last(), issued: l.next - 1}))
	}
	l.marker.drop()
	return err
}
