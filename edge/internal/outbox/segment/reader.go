package segment

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"sort"

	"github.com/linshao/linshao/edge/internal/vfs"
)

// Entry is what a Reader finds at some Indexes.
type Entry struct {
	What        What
	First, Last Index
	// Life is the one that the Indexes belong to; of Void, the one of the
	// record that follows.
	Life Life
	// Body, TimeMS and Anchor are those of a Record. Body is valid until the
	// next call.
	Body   []byte
	TimeMS int64
	Anchor bool
	// Hole is set for Damaged, and FromMS to ToMS, between which the records
	// were made: the times of those before and behind, 0 where there are none.
	Hole         Hole
	FromMS, ToMS int64
}

// Hole is where damaged records lie, to be looked at: their bytes stay until
// the segment is forgotten.
type Hole struct {
	// File is the segment's file in the log's folder, "" if it is missing.
	File string
	// Offset and Bytes are the part of it that holds no valid frame.
	Offset, Bytes int64
}

// What says what an Entry is.
type What byte

// What an Entry can be.
const (
	// Record: one record, First == Last.
	Record What = iota
	// Damaged: acknowledged records that can no longer be read.
	Damaged
	// Void: Indexes that no acknowledged record had, or that were truncated.
	Void
)

// Reader reads a log in order of Index, beside its being written and
// truncated. It belongs to one goroutine.
type Reader struct {
	log  *Log
	next Index
	// The segment being read; file is nil if none, or if it is gone.
	id   uint64
	file vfs.File
	cur  cursor
	// ahead is a valid frame that comes behind a hole being reported.
	ahead   frame
	isAhead bool
	// beforeMS is the time of the newest record read.
	beforeMS int64
	// hole is what frame skipped last because it is not valid.
	hole Hole
}

// NewReader returns a Reader whose first Entry begins at from.
func (l *Log) NewReader(from Index) *Reader { return &Reader{log: l, next: max(from, 1)} }

// At is the Index at which the next Entry will begin.
func (r *Reader) At() Index { return r.next }

// Next returns what comes next, or io.EOF at the newest durable record: later
// calls go on when there is more. Other errors mean that the disk did not
// answer; the call may be repeated.
func (r *Reader) Next() (Entry, error) {
	var e entry
	for gone := true; gone; {
		var ok bool
		if e, ok = r.log.entryAt(r.next); !ok {
			return Entry{}, io.EOF
		}
		if r.next < e.first {
			v := Entry{What: Void, First: r.next, Last: e.first - 1, Life: e.life}
			r.next = e.first
			return v, nil
		}
		var err error
		if gone, err = r.open(e); err != nil {
			return Entry{}, err
		}
	}
	f, err := r.frame(e)
	if err != nil && !errors.Is(err, io.EOF) {
		return Entry{}, err
	}
	if err != nil || f.index > r.next {
		end, toMS := e.last, e.newestMS // nothing valid up to its end
		if err == nil {
			end, toMS = min(f.index-1, e.last), f.ms
			r.ahead, r.isAhead = f, true
		}
		d := Entry{What: Damaged, First: r.next, Last: end, Life: e.life, Hole: r.hole, FromMS: r.beforeMS, ToMS: toMS}
		if d.FromMS == 0 {
			d.FromMS = r.log.newestBefore(e.id)
		}
		r.next = end + 1
		return d, nil
	}
	r.next++
	r.beforeMS = cmp.Or(f.ms, r.beforeMS)
	return Entry{
		What: Record, First: f.index, Last: f.index, Life: e.life, Body: f.body, TimeMS: f.ms, Anchor: f.kind == frameAnchor,
	}, nil
}

// frame returns the first valid frame of e at or behind next.
func (r *Reader) frame(e entry) (frame, error) {
	if r.isAhead {
		r.isAhead = false
		if r.ahead.index >= r.next {
			return r.ahead, nil
		}
	}
	r.hole = Hole{}
	if r.file == nil {
		return frame{}, io.EOF
	}
	for {
		from := r.cur.off
		f, err := r.cur.next(e.used)
		r.hole = Hole{File: e.file, Offset: from, Bytes: r.cur.start - from}
		if err != nil {
			r.hole.Bytes = max(e.used-from, 0)
		}
		if err != nil || f.index == r.next || f.index > r.next && !r.displaced(f, e) {
			return f, err
		}
	}
}

// lookAhead is how far behind a frame that comes too early those are looked for
// that should come before it: more than a disk writes at once.
const lookAhead = 64 << 10

// displaced reports whether f, which comes right after a hole, is a copy that
// a disk has written in the wrong place: those that belong before it follow
// [S-3.5].
func (r *Reader) displaced(f frame, e entry) bool {
	c := cursor{file: r.file, salt: e.salt, off: r.cur.off}
	limit := min(e.used, r.cur.off+lookAhead)
	for {
		g, err := c.next(limit)
		if err != nil {
			return false
		}
		if g.index >= r.next && g.index < f.index {
			return true
		}
	}
}

// open makes e the segment being read. gone says that it was truncated while
// we looked.
func (r *Reader) open(e entry) (gone bool, err error) {
	if r.id == e.id {
		return false, nil
	}
	r.Close()
	if e.file != "" {
		f, err := r.log.fs.Open(path.Join(r.log.dir, e.file))
		switch {
		case err == nil:
			r.file = f
		case !vfs.IsNotExist(err):
			return false, fmt.Errorf("open segment: %w", err)
		case !r.log.has(e.id) || r.log.leave(e.id):
			return true, nil
		}
	}
	r.id = e.id
	r.cur = cursor{file: r.file, salt: e.salt, off: headerSize}
	return false, nil
}

// Close releases what the Reader holds. It may be used again.
func (r *Reader) Close() {
	if r.file != nil {
		_ = r.file.Close()
	}
	r.file, r.id, r.isAhead, r.cur = nil, 0, false, cursor{}
}

// entryAt returns the first entry that holds a record at or behind i.
func (l *Log) entryAt(i Index) (entry, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := len(l.entries)
	if n > 0 && l.entries[n-1].last == 0 {
		n--
	}
	at := sort.Search(n, func(k int) bool { return l.entries[k].last >= i })
	if at == n {
		return entry{}, false
	}
	return l.entries[at], true
}

// newestBefore is the time of the newest record before that segment, 0 if it
// is not known.
func (l *Log) newestBefore(id uint64) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.IndexFunc(l.entries, func(e entry) bool { return e.id == id })
	if at < 1 {
		return 0
	}
	return l.entries[at-1].newestMS
}

// has reports whether the log still consists of that segment too.
func (l *Log) has(id uint64) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.entries, func(e entry) bool { return e.id == id })
}

// leave takes a segment out of a log that is only looked at: whoever writes
// the log has forgotten it since.
func (l *Log) leave(id uint64) bool {
	if !l.inspected {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.entries = slices.DeleteFunc(slices.Clone(l.entries), func(e entry) bool { return e.id == id })
	return true
}

// Segment describes one segment of a log.
type Segment struct {
	First, Last Index // Last is First-1 while it is empty
	Life        Life
	// Bytes is what it takes of the disk.
	Bytes int64
	// NewestMS is the highest time of a record in it, 0 if unknown.
	NewestMS int64
	// Anchor is the newest anchor in it, 0 if none.
	Anchor Index
}

// Segments returns the log's segments, oldest first.
func (l *Log) Segments() []Segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]Segment, len(l.entries))
	for i, e := range l.entries {
		s := Segment{First: e.first, Last: e.last, Life: e.life, Bytes: e.used, NewestMS: e.newestMS, Anchor: e.anchor}
		if e.last == 0 {
			s.Last = e.first - 1
		}
		if i == len(l.entries)-1 {
			s.Bytes = e.capacity // the last may still be written to
		}
		out[i] = s
	}
	return out
}

// Life returns the current life.
func (l *Log) Life() Life {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.life
}

// Last is the newest durable Index, 0 if there is none.
func (l *Log) Last() Index {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last()
}

// Fits reports whether need bytes of frames (FrameSize) go into the segment
// being written to, so that appending them takes no more of the disk.
func (l *Log) Fits(need int64) bool {
	l.w.Lock()
	defer l.w.Unlock()
	if l.active == nil {
		return false
	}
	e := l.entries[len(l.entries)-1]
	return e.used+need <= e.capacity
}
