package skew

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"sync"

	"github.com/linshao/linshao/edge/internal/vfs"
	"github.com/linshao/linshao/protocol/telemetry"
)

// FileName is the file in which Boots are kept.
const FileName = "boots"

const (
	fileMagic   = "linshao-edge-boots"
	fileVersion = 1
	fileLimit   = 1 << 20
	// mostBoots bounds what is remembered; the oldest goes first.
	mostBoots = 256
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errFile: the file cannot be believed.
var errFile = errors.New("the memory of boots is damaged")

// Boots remembers the first measurement of each boot, for the records that
// were made before it. It is one small file: a line of magic, version and
// CRC-32C of the rest in hex, then JSON. Losing it costs corrections, nothing
// else. Its methods are safe for concurrent use.
type Boots struct {
	fs  vfs.FS
	dir string

	mu   sync.Mutex
	list []boot // oldest first; guarded by mu
}

type boot struct {
	Boot string `json:"boot"`
	// CloudMS is the cloud's clock at the boot's beginning.
	CloudMS int64 `json:"cloud_ms"`
	ErrorMS int64 `json:"error_ms"`
}

// OpenBoots reads what dir remembers; an error says why that is nothing, and
// the Boots can be used all the same.
func OpenBoots(fs vfs.FS, dir string) (*Boots, error) {
	b := &Boots{fs: fs, dir: dir}
	raw, err := vfs.ReadFile(fs, dir+"/"+FileName, fileLimit)
	if vfs.IsNotExist(err) {
		return b, nil
	}
	if err == nil {
		b.list, err = decode(raw)
	}
	if err != nil {
		return b, fmt.Errorf("read %s: %w", FileName, err)
	}
	return b, nil
}

func decode(raw []byte) (list []boot, err error) {
	head, body, _ := bytes.Cut(raw, []byte("\n"))
	var version int
	var crc uint32
	if n, err := fmt.Sscanf(string(head), fileMagic+" %d %08x", &version, &crc); n != 2 || err != nil {
		return nil, errFile
	}
	if version > fileVersion {
		return nil, fmt.Errorf("version %d, this program knows up to %d", version, fileVersion)
	}
	if crc32.Checksum(body, castagnoli) != crc || json.Unmarshal(body, &list) != nil {
		return nil, errFile
	}
	return list, nil
}

// Note remembers the cloud's clock at the beginning of a boot, durably before
// it counts. What is known of a boot already stays.
func (b *Boots) Note(id string, cloudMS, errorMS int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.findLocked(id) >= 0 {
		return nil
	}
	next := append(slices.Clone(b.list), boot{Boot: id, CloudMS: cloudMS, ErrorMS: errorMS})
	next = next[max(0, len(next)-mostBoots):]
	body, err := json.Marshal(next)
	if err != nil {
		return fmt.Errorf("encode %s: %w", FileName, err)
	}
	head := fmt.Sprintf("%s %d %08x\n", fileMagic, fileVersion, crc32.Checksum(body, castagnoli))
	if err := vfs.WriteFile(b.fs, b.dir, FileName, append([]byte(head), body...)); err != nil {
		return fmt.Errorf("write %s: %w", FileName, err)
	}
	b.list = next
	return nil
}

func (b *Boots) findLocked(id string) int {
	return slices.IndexFunc(b.list, func(x boot) bool { return x.Boot == id })
}

// Origin tells a record that was made before its boot was measured what was
// found out later.
func (b *Boots) Origin(o telemetry.Origin) telemetry.Origin {
	if o.SkewKnown {
		return o
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if i := b.findLocked(o.Boot); i >= 0 {
		o.SkewKnown, o.SkewMS, o.SkewErrorMS = true, onGrid(o.EdgeMS-o.MonoMS-b.list[i].CloudMS), b.list[i].ErrorMS
	}
	return o
}
