package outbox_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"
	"testing"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// Each kind of file says its version. One that is newer, and whole, is left
// alone: the error names the file, the version and what to do.
func TestANewerVersionIsRefused(t *testing.T) {
	t.Parallel()
	le, sum := binary.LittleEndian, crc32.MakeTable(crc32.Castagnoli)
	binaryFile := func(crcAt int) func([]byte) []byte {
		return func(b []byte) []byte {
			at := crcAt
			if at < 0 {
				at += len(b)
			}
			le.PutUint16(b[8:], 9)
			le.PutUint32(b[at:], crc32.Checksum(b[:at], sum))
			return b
		}
	}
	for _, c := range []struct {
		name, file string
		newer      func([]byte) []byte
	}{
		{"segment", "0000000000000001.seg", binaryFile(76)},
		{"list", "samples/list", binaryFile(-4)},
		{"mark", "samples.mark", binaryFile(64)},
		{"state", "state", func(b []byte) []byte {
			_, body, _ := strings.Cut(string(b), "\n")
			head := "linshao-outbox-state 9"
			return fmt.Appendf(nil, "%s %08x\n%s", head, crc32.Checksum([]byte(head+body), sum), body)
		}},
	} {
		m := vfs.NewMem()
		r := newRig(t, m)
		r.samples(0, 3)
		check(t, r.box.Close())
		file := "/box/" + c.file
		if c.name == "segment" {
			file = "/box/samples/" + c.file
		}
		spoilt := m.Clone()
		put(spoilt, file, c.newer(mustRead(m, file)))
		_, err := outbox.Open(spoilt, "/box", r.o)
		if !errors.Is(err, outbox.ErrNewer) || !strings.Contains(fmt.Sprint(err), "version 9") || !strings.Contains(fmt.Sprint(err), c.name) && !strings.Contains(fmt.Sprint(err), c.file) {
			t.Errorf("%s of a newer version: %v", c.name, err)
		}
		for _, f := range spoilt.Paths("/box") {
			if f != file && string(mustRead(spoilt, f)) != string(mustRead(m, f)) {
				t.Errorf("%s of a newer version: %s was changed", c.name, f)
			}
		}
	}
}
