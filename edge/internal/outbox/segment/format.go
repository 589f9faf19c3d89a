package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// Index is a record's place in its log, from 1 [S-1.1].
type Index uint64

// Kind tells the two logs apart on disk.
type Kind byte

// The kinds.
const (
	Alarm   Kind = 1
	Samples Kind = 2
)

// Life is an epoch of the log: its id, and the Index before its first record.
type Life struct {
	ID   [16]byte
	Base Index
}

const (
	version = 1

	segMagic  = "LINSHAOS"
	listMagic = "LINSHAOL"
	markMagic = "LINSHAOM"

	headerSize = 80 // [S-2.1]
	frameSize  = 40 // [S-3]
	align      = 8

	// MaxRecord bounds the body of one record [S-3.2]; Append refuses more.
	MaxRecord = 16 << 20
	// maxSegment bounds what a header or list may claim: a batch of the
	// largest records still fits.
	maxSegment = 1 << 40
)

// The kinds of frames [S-3.2].
const (
	frameRecord byte = 1
	frameAnchor byte = 2
)

var (
	le         = binary.LittleEndian
	castagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// ErrNewer: a file claims a later version of its format than this program knows.
var ErrNewer = errors.New("written by a newer version; install that one, or restore a backup made before the upgrade")

var (
	errMagic = errors.New("not of this kind")
	errCRC   = errors.New("checksum does not match")
	errClaim = errors.New("claims what cannot be")
)

// header is what a segment knows about itself [S-2.1].
type header struct {
	kind     Kind
	id       uint64
	first    Index
	life     Life
	salt     uint64
	capacity int64
}

func (h header) encode() []byte {
	b := make([]byte, headerSize)
	copy(b, segMagic)
	le.PutUint16(b[8:], version)
	b[10] = byte(h.kind)
	le.PutUint64(b[16:], h.id)
	le.PutUint64(b[24:], uint64(h.first))
	copy(b[32:], h.life.ID[:])
	le.PutUint64(b[48:], uint64(h.life.Base))
	le.PutUint64(b[56:], h.salt)
	le.PutUint64(b[64:], uint64(h.capacity))
	le.PutUint32(b[76:], crc32.Checksum(b[:76], castagnoli))
	return b
}

func decodeHeader(b []byte, kind Kind) (header, error) {
	if err := check(b, headerSize, 76, segMagic, kind); err != nil {
		return header{}, err
	}
	h := header{
		kind: Kind(b[10]), id: le.Uint64(b[16:]), first: Index(le.Uint64(b[24:])),
		life: lifeAt(b[32:]), salt: le.Uint64(b[56:]), capacity: int64(le.Uint64(b[64:])),
	}
	if h.id == 0 || h.first == 0 || uint32(h.salt) == 0 || h.capacity < headerSize || h.capacity > maxSegment || h.life.Base >= h.first {
		return header{}, errClaim
	}
	return h, nil
}

// check checks what all three kinds of files begin with, and that the CRC at
// crcAt is that of all before. The version comes last: one that a flipped bit
// made newer is damage, not a reason to refuse the whole log.
func check(b []byte, size, crcAt int, magic string, kind Kind) error {
	switch {
	case len(b) < size || string(b[:8]) != magic:
		return errMagic
	case crc32.Checksum(b[:crcAt], castagnoli) != le.Uint32(b[crcAt:]):
		return errCRC
	case le.Uint16(b[8:]) > version:
		return fmt.Errorf("version %d: %w", le.Uint16(b[8:]), ErrNewer)
	case le.Uint16(b[8:]) == 0 || Kind(b[10]) != kind:
		return errMagic
	}
	return nil
}

func lifeAt(b []byte) Life {
	return Life{ID: [16]byte(b[:16]), Base: Index(le.Uint64(b[16:]))}
}

func putLife(b []byte, l Life) {
	copy(b, l.ID[:])
	le.PutUint64(b[16:], uint64(l.Base))
}

// frame is one record as it lies in a segment [S-3].
type frame struct {
	kind    byte
	index   Index
	durable Index
	ms      int64
	body    []byte
}

// FrameSize returns the bytes that a body of n bytes takes in a segment.
func FrameSize(n int) int64 { return (frameSize + int64(n) + align - 1) &^ (align - 1) }

// salted is the CRC state after the salt, with which every frame of a segment
// begins [S-3.1].
func salted(salt uint64) uint32 {
	var b [8]byte
	le.PutUint64(b[:], salt)
	return crc32.Update(0, castagnoli, b[:])
}

func appendFrame(dst []byte, salt uint64, f frame) []byte {
	at := len(dst)
	dst = append(dst, make([]byte, frameSize)...)
	h := dst[at:]
	le.PutUint32(h, uint32(salt))
	le.PutUint32(h[8:], uint32(len(f.body)))
	h[12] = f.kind
	le.PutUint64(h[16:], uint64(f.index))
	le.PutUint64(h[24:], uint64(f.durable))
	le.PutUint64(h[32:], uint64(f.ms))
	crc := crc32.Update(crc32.Update(salted(salt), castagnoli, h[8:frameSize]), castagnoli, f.body)
	le.PutUint32(h[4:], crc)
	dst = append(dst, f.body...)
	for len(dst)%align != 0 {
		dst = append(dst, 0)
	}
	return dst
}

// claimedSize returns the whole size of the frame whose header b starts with,
// or false if that can't be one; room is what is left of the file.
func claimedSize(b []byte, salt uint64, room int64) (int64, bool) {
	if le.Uint32(b) != uint32(salt) || b[12] != frameRecord && b[12] != frameAnchor {
		return 0, false
	}
	n := int64(le.Uint32(b[8:]))
	if n == 0 || n > MaxRecord || frameSize+n > room {
		return 0, false
	}
	return frameSize + n, true
}

// decodeFrame reads the frame that is b, sized by claimedSize. The body
// aliases b.
func decodeFrame(b []byte, salt uint64) (frame, bool) {
	if crc32.Update(salted(salt), castagnoli, b[8:]) != le.Uint32(b[4:]) {
		return frame{}, false
	}
	return frame{
		kind: b[12], index: Index(le.Uint64(b[16:])), durable: Index(le.Uint64(b[24:])),
		ms: int64(le.Uint64(b[32:])), body: b[frameSize:],
	}, true
}
