package segment

import (
	"crypto/rand"
	"path"

	"github.com/linshao/linshao/protocol/kit/chaos"

	"github.com/linshao/linshao/edge/internal/vfs"
)

// makeRoom makes active a segment that takes need more bytes.
func (l *Log) makeRoom(need int64) error {
	if l.active != nil {
		if e := l.entries[len(l.entries)-1]; e.used+need <= e.capacity {
			return nil
		}
		l.seal()
	}
	h := header{kind: l.kind, id: l.nextID, first: l.next, life: l.life, salt: newSalt()}
	l.nextID++
	f, capacity, err := l.create(&h, need)
	if err != nil {
		return err
	}
	name := fileName(h.id)
	entries := append(l.sealedEntries(), entry{header: h, used: headerSize, file: name})
	entries[len(entries)-1].capacity = capacity
	if err := l.saveList(list{life: l.life, nextID: l.nextID, entries: entries}); err != nil {
		_ = f.Truncate(headerSize) // it may be listed or not, but takes no room
		_ = f.Close()
		l.unlisted = append(l.unlisted, name)
		return err
	}
	l.mu.Lock()
	l.entries = entries
	l.mu.Unlock()
	l.active, l.written = f, min(page, capacity) // the first page has the header
	return nil
}

// create makes the file of a new segment with room for need bytes, of the
// usual size, or smaller if the disk has no room for that.
func (l *Log) create(h *header, need int64) (vfs.File, int64, error) {
	name := path.Join(l.dir, fileName(h.id))
	chaos.At("segment.create.before")
	f, err := l.fs.Create(name)
	if err != nil {
		return nil, 0, err
	}
	chaos.At("segment.create.after")
	smallest := max(l.o.MinSegmentBytes, headerSize+need)
	h.capacity = max(l.o.SegmentBytes, smallest)
	for {
		if err = f.Allocate(h.capacity); err == nil || !vfs.IsNoSpace(err) || h.capacity == smallest {
			break
		}
		h.capacity = max(h.capacity/2, smallest)
	}
	if err == nil {
		err = l.head(f, *h)
	}
	if err != nil {
		_ = f.Close()
		_ = l.fs.Remove(name)
		return nil, 0, err
	}
	return f, h.capacity, nil
}

// head makes the header of the new file f durable, and its name.
func (l *Log) head(f vfs.File, h header) error {
	chaos.At("segment.head.before")
	if _, err := f.WriteAt(h.encode(), 0); err != nil {
		return err
	}
	chaos.At("segment.head.after")
	if err := f.Sync(); err != nil {
		return err
	}
	chaos.At("segment.headsync.after")
	err := l.fs.SyncDir(l.dir)
	chaos.At("segment.dirsync.after")
	return err
}

func newSalt() uint64 {
	var b [8]byte
	for {
		_, _ = rand.Read(b[:]) // never fails
		if s := le.Uint64(b[:]); uint32(s) != 0 {
			return s
		}
	}
}

// seal ends the active segment at its last durable frame. The list on disk
// learns of it with the next one; until then a start finds the end by reading.
func (l *Log) seal() {
	if l.active == nil {
		return
	}
	e := l.entries[len(l.entries)-1]
	chaos.At("segment.seal.before")
	_ = l.active.Truncate(e.used) // gives space back; the list knows the end anyway
	chaos.At("segment.seal.after")
	_ = l.active.Close()
	l.active = nil
	if e.last != 0 {
		return
	}
	l.mu.Lock()
	l.entries = l.entries[: len(l.entries)-1 : len(l.entries)-1]
	l.mu.Unlock()
	l.unlisted = append(l.unlisted, e.file)
}

// sealedEntries is a copy of the entries, which must all be sealed.
func (l *Log) sealedEntries() []entry { return append([]entry(nil), l.entries...) }

// saveList makes s the list on disk. Afterwards nothing names what is unlisted.
func (l *Log) saveList(s list) error {
	chaos.At("list.save.before")
	if err := vfs.WriteFile(l.fs, l.dir, listName, s.encode(l.kind)); err != nil {
		return err
	}
	chaos.At("list.save.after")
	for _, n := range l.unlisted {
		_ = l.fs.Remove(path.Join(l.dir, n)) // a leftover is removed at the next start
	}
	l.unlisted = nil
	return nil
}

// asListed is what the list says about entries: the active one is open.
func (l *Log) asListed(entries []entry) list {
	out := append([]entry(nil), entries...)
	if l.active != nil {
		e := &out[len(out)-1]
		e.last, e.used, e.newestMS, e.anchor = 0, 0, 0, 0
	}
	return list{life: l.life, nextID: l.nextID, entries: out}
}
