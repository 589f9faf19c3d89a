package segment

import (
	"errors"
	"fmt"
	"hash/crc32"
	"path"

	"github.com/linshao/linshao/protocol/kit/chaos"

	"github.com/linshao/linshao/edge/internal/vfs"
)

const (
	slotSize = 72
	slotStep = 512 // one sector each: a torn write spoils one slot only
)

// mark is the high-water mark of a log [S-5].
type mark struct {
	turn    uint64
	life    Life
	durable Index
	issued  Index
}

func (m mark) encode(kind Kind) []byte {
	b := make([]byte, slotSize)
	copy(b, markMagic)
	le.PutUint16(b[8:], version)
	b[10] = byte(kind)
	le.PutUint64(b[16:], m.turn)
	putLife(b[24:], m.life)
	le.PutUint64(b[48:], uint64(m.durable))
	le.PutUint64(b[56:], uint64(m.issued))
	le.PutUint32(b[64:], crc32.Checksum(b[:64], castagnoli))
	return b
}

func decodeMark(b []byte, kind Kind) (mark, error) {
	if err := check(b, slotSize, 64, markMagic, kind); err != nil {
		return mark{}, err
	}
	return mark{
		turn: le.Uint64(b[16:]), life: lifeAt(b[24:]),
		durable: Index(le.Uint64(b[48:])), issued: Index(le.Uint64(b[56:])),
	}, nil
}

// readMark returns the newer of the two slots; ok is false if neither is
// valid or the file is missing. An error means that the disk did not answer,
// or that a newer version wrote the mark.
func readMark(fs vfs.FS, name string, kind Kind) (m mark, ok bool, err error) {
	b, err := vfs.ReadFile(fs, name, 1<<20)
	if vfs.IsNotExist(err) || errors.Is(err, vfs.ErrTooLarge) {
		return mark{}, false, nil
	}
	if err != nil {
		return mark{}, false, err
	}
	for at := 0; at+slotSize <= len(b) && at <= slotStep; at += slotStep {
		s, err := decodeMark(b[at:at+slotSize], kind)
		if errors.Is(err, ErrNewer) {
			return mark{}, false, fmt.Errorf("%s: %w", path.Base(name), err)
		}
		if err == nil && (!ok || s.turn > m.turn) {
			m, ok = s, true
		}
	}
	return m, ok, nil
}

// marker writes the mark in place.
type marker struct {
	fs   vfs.FS
	name string
	kind Kind
	mark mark
	// file is nil before the first save and after one that failed: the next
	// save then makes a new file, since nothing may be trusted to a file
	// whose sync has failed.
	file vfs.File
}

// set writes m without waiting for the disk. Its failure is no error, since
// durable may lag behind [S-5.3]; the next save mends it.
func (k *marker) set(m mark) {
	if k.file != nil && k.write(m) != nil {
		k.drop()
	}
}

// save writes m and returns nil once it is durable.
func (k *marker) save(m mark) error {
	if k.file == nil {
		return k.replace(m)
	}
	err := k.write(m)
	if err == nil {
		chaos.At("mark.sync.before")
		err = k.file.Sync()
		chaos.At("mark.sync.after")
	}
	if err != nil {
		k.drop()
	}
	return err
}

func (k *marker) write(m mark) error {
	m.turn = k.mark.turn + 1
	chaos.At("mark.write.before")
	_, err := k.file.WriteAt(m.encode(k.kind), int64(m.turn%2)*slotStep)
	chaos.At("mark.write.after")
	if err == nil {
		k.mark = m
	}
	return err
}

// replace puts a new file with m in both slots in the place of the old.
func (k *marker) replace(m mark) error {
	m.turn = k.mark.turn + 2
	older := m
	older.turn--
	b := make([]byte, 2*slotStep)
	copy(b[(m.turn%2)*slotStep:], m.encode(k.kind))
	copy(b[(older.turn%2)*slotStep:], older.encode(k.kind))
	chaos.At("mark.replace.before")
	if err := vfs.WriteFile(k.fs, path.Dir(k.name), path.Base(k.name), b); err != nil {
		return err
	}
	chaos.At("mark.replace.after")
	f, err := k.fs.Edit(k.name)
	if err != nil {
		return err
	}
	k.file, k.mark = f, m
	return nil
}

func (k *marker) drop() {
	if k.file != nil {
		_ = k.file.Close()
	}
	k.file = nil
}
