package ticket

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// NewID returns a fresh UUIDv7 (RFC 9562, 5.7) for a ticket or a Transition
// that was born at now.
func NewID(now time.Time) ID {
	var u [16]byte
	// rand.Read never fails: it ends the process where no entropy is to be had.
	_, _ = rand.Read(u[:])
	ms := now.UnixMilli()
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	var b [36]byte
	hex.Encode(b[0:8], u[0:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:36], u[10:16])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return ID(b[:])
}
