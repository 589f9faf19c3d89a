package segment

import (
	"hash/crc32"
	"path"

	"github.com/linshao/linshao/edge/internal/vfs"
)

// WriteNewerMark writes a mark as a later version would.
func WriteNewerMark(fs vfs.FS, name string) error {
	b := mark{turn: 1, durable: 1, issued: 1}.encode(Samples)
	le.PutUint16(b[8:], version+1)
	le.PutUint32(b[64:], crc32.Checksum(b[:64], castagnoli))
	return vfs.WriteFile(fs, path.Dir(name), path.Base(name), b)
}

// ForgeFrame is a frame as someone would make it who does not know the salt.
func ForgeFrame(salt uint64, i Index, body string) []byte {
	return appendFrame(nil, salt, frame{kind: frameRecord, index: i, body: []byte(body)})
}
