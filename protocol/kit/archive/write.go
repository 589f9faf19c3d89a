package archive

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// Writer writes one archive. It is not safe for concurrent use.
type Writer struct {
	zip *gzip.Writer
	tar *tar.Writer
	at  time.Time
}

// NewWriter begins an archive whose members bear the time at; level is
// gzip's. Close ends it.
func NewWriter(w io.Writer, level int, at time.Time) (*Writer, error) {
	z, err := gzip.NewWriterLevel(w, level)
	if err != nil {
		return nil, err
	}
	return &Writer{zip: z, tar: tar.NewWriter(z), at: at}, nil
}

// Add adds one member of exactly size bytes.
func (w *Writer) Add(name string, size int64, r io.Reader) (Member, error) {
	err := w.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: w.at, Format: tar.FormatPAX})
	if err != nil {
		return Member{}, fmt.Errorf("%s: %w", name, err)
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w.tar, sum), r)
	if err == nil && n < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return Member{}, fmt.Errorf("%s: %w", name, err)
	}
	return Member{Name: name, Bytes: size, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

// Manifest adds the manifest, as indented JSON.
func (w *Writer) Manifest(m any) error {
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Add(ManifestName, int64(len(b)), bytes.NewReader(b))
	return err
}

// Close ends the archive; it does not close what it was written to.
func (w *Writer) Close() error { return errors.Join(w.tar.Close(), w.zip.Close()) }
