package outbox

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/google/uuid"

	"github.com/linshao/linshao/protocol/envelope"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// Quarantined are damaged records whose bytes still lie on disk.
type Quarantined struct {
	Log envelope.Log `json:"log"`
	// File is relative to the outbox; Offset and Bytes are the part of it
	// that holds no valid frame.
	File   string `json:"file,omitempty"`
	Offset int64  `json:"offset"`
	Bytes  int64  `json:"bytes"`
	// First to Last are the positions of the records, 0 if they are not known.
	First  uint64            `json:"first,omitempty"`
	Last   uint64            `json:"last,omitempty"`
	Epoch  string            `json:"epoch,omitempty"`
	From   envelope.Sequence `json:"sequence,omitempty"`
	Reason string            `json:"reason"`
}

// mostQuarantined bounds the list that is shown.
const mostQuarantined = 1000

// quarantined reads a whole log and returns what of it is damaged, settled or
// not, and the files that were put aside.
func quarantined(fs vfs.FS, dir string, name envelope.Log, log *segment.Log) ([]Quarantined, error) {
	var out []Quarantined
	r := log.NewReader(1)
	defer r.Close()
	for len(out) < mostQuarantined {
		e, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("read %s log: %w", name, err)
		}
		if reason := damageOf(e); reason != "" {
			q := Quarantined{
				Log: name, Offset: e.Hole.Offset, Bytes: e.Hole.Bytes, First: uint64(e.First), Last: uint64(e.Last),
				Epoch: uuid.UUID(e.Life.ID).String(), From: life{e.Life}.sequence(e.First), Reason: reason,
			}
			if e.Hole.File != "" {
				q.File = path.Join(string(name), e.Hole.File)
			}
			out = append(out, q)
		}
	}
	aside, err := putAside(fs, dir, name)
	return append(out, aside...), err
}

func damageOf(e segment.Entry) string {
	switch {
	case e.What == segment.Damaged && e.Hole.File == "":
		return "the segment is missing"
	case e.What == segment.Damaged:
		return "the checksum does not match"
	case e.What != segment.Record:
		return ""
	}
	if _, err := envelope.DecodeRecord(e.Body); err != nil {
		return err.Error()
	}
	return ""
}

// putAside are the files that an opening found and could not place.
func putAside(fs vfs.FS, dir string, name envelope.Log) ([]Quarantined, error) {
	names, err := fs.List(path.Join(dir, string(name)))
	if err != nil {
		return nil, fmt.Errorf("list %s log: %w", name, err)
	}
	var out []Quarantined
	for _, n := range names {
		if !strings.HasSuffix(n, ".quarantine") {
			continue
		}
		q := Quarantined{Log: name, File: path.Join(string(name), n), Reason: "the segment does not belong to this log"}
		if f, err := fs.Open(path.Join(dir, q.File)); err == nil {
			q.Bytes, _ = f.Size()
			_ = f.Close()
		}
		out = append(out, q)
	}
	return out, nil
}
