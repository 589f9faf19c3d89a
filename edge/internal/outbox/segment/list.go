package segment

import (
	"errors"
	"fmt"
	"hash/crc32"
	"path"

	"github.com/linshao/linshao/edge/internal/vfs"
)

const (
	listName   = "list"
	listHeader = 56
	listEntry  = 88
	maxEntries = 1 << 20
)

// entry is a segment as the list knows it [S-4].
type entry struct {
	header
	// last is 0 while the segment is open; a sealed one has last >= first.
	last Index
	// used is where the last acknowledged frame ends.
	used int64
	// newestMS is the highest time of a record, 0 if unknown.
	newestMS int64
	// anchor is the newest anchor, 0 if none.
	anchor Index

	// before is the newest Index that was durable when the first frame was
	// written, 0 if it was not read.
	before Index
	// file is the name that the segment was found under, "" if it is gone.
	file string
}

// list is the content of the file of that name.
type list struct {
	life    Life // the current one, which may have no segment yet
	nextID  uint64
	entries []entry
}

func (l list) encode(kind Kind) []byte {
	b := make([]byte, listHeader+len(l.entries)*listEntry+4)
	copy(b, listMagic)
	le.PutUint16(b[8:], version)
	b[10] = byte(kind)
	putLife(b[16:], l.life)
	le.PutUint64(b[40:], l.nextID)
	le.PutUint32(b[48:], uint32(len(l.entries)))
	for i, e := range l.entries {
		p := b[listHeader+i*listEntry:]
		for j, v := range []uint64{
			e.id, uint64(e.first), uint64(e.last), uint64(e.used), uint64(e.capacity),
			uint64(e.newestMS), uint64(e.anchor), e.salt,
		} {
			le.PutUint64(p[j*8:], v)
		}
		putLife(p[64:], e.life)
	}
	end := len(b) - 4
	le.PutUint32(b[end:], crc32.Checksum(b[:end], castagnoli))
	return b
}

func decodeList(b []byte, kind Kind) (list, error) {
	if err := check(b, listHeader+4, max(len(b)-4, 0), listMagic, kind); err != nil {
		return list{}, err
	}
	n := int64(le.Uint32(b[48:]))
	if n > maxEntries || int64(len(b)) != listHeader+n*listEntry+4 {
		return list{}, errClaim
	}
	l := list{life: lifeAt(b[16:]), nextID: le.Uint64(b[40:])}
	for i := range int(n) {
		p := b[listHeader+i*listEntry:]
		u := func(j int) uint64 { return le.Uint64(p[j*8:]) }
		l.entries = append(l.entries, entry{
			header: header{kind: kind, id: u(0), first: Index(u(1)), capacity: int64(u(4)), salt: u(7), life: lifeAt(p[64:])},
			last:   Index(u(2)), used: int64(u(3)), newestMS: int64(u(5)), anchor: Index(u(6)),
		})
	}
	return l, nil
}

func readList(fs vfs.FS, dir string, kind Kind) (list, error) {
	b, err := vfs.ReadFile(fs, path.Join(dir, listName), listHeader+maxEntries*listEntry+4)
	if errors.Is(err, vfs.ErrTooLarge) {
		err = errClaim
	}
	if err != nil {
		return list{}, err
	}
	l, err := decodeList(b, kind)
	if err != nil {
		return list{}, fmt.Errorf("segment list: %w", err)
	}
	return l, nil
}
