package embedded

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/prometheus/prometheus/tsdb/chunks"
)

// dropTornHeads removes mapped chunks from the first file on whose header a
// power cut did not leave whole. The library opens no store that has one, but
// for the newest. All that is in them is in the logs too.
func dropTornHeads(dir string) error {
	folder := filepath.Join(dir, "chunks_head")
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("list mapped chunks: %w", err)
	}
	torn := false
	for _, e := range entries { // by name, and so by number
		name := filepath.Join(folder, e.Name())
		if !torn {
			if torn, err = tornHead(name); err != nil {
				return err
			}
		}
		if torn {
			if err := os.Remove(name); err != nil {
				return fmt.Errorf("remove torn mapped chunks: %w", err)
			}
		}
	}
	return nil
}

func tornHead(name string) (bool, error) {
	f, err := os.Open(name)
	if err != nil {
		return false, fmt.Errorf("read mapped chunks: %w", err)
	}
	var head [chunks.HeadChunkFileHeaderSize]byte
	_, err = io.ReadFull(f, head[:])
	if err := f.Close(); err != nil {
		return false, fmt.Errorf("close mapped chunks: %w", err)
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("read mapped chunks: %w", err)
	}
	return binary.BigEndian.Uint32(head[:]) != chunks.MagicHeadChunks, nil
}
