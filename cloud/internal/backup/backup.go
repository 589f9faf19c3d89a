// Package backup is the file that `linshao-cloud backup` writes: a gzipped tar
// whose first member, manifest.json, names every other one with its size and
// SHA-256.
//
// What it guarantees: Extract gives back what Write was given, byte for byte, or
// an error; a file that is cut off, flipped or was never a backup is a
// *DamagedError; one from a newer version is ErrNewer. Nothing is written
// outside the folder that Extract is told. It does not know what the members
// are: package app does.
package backup

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Product and Format are written into every backup.
const (
	Product = "linshao-cloud backup"
	Format  = 1
)

const (
	manifestName = "manifest.json"
	// maxManifest bounds the first member: some 100,000 members.
	maxManifest = 16 << 20
)

// ErrNewer means that a newer version of the product wrote the file.
var ErrNewer = errors.New("the backup was written by a newer version of linshao-cloud; restore it with that version")

// DamagedError says what is wrong with a file.
type DamagedError struct{ Why string }

func (e *DamagedError) Error() string { return "the backup is damaged: " + e.Why }

// Manifest is the head of a backup.
type Manifest struct {
	Product string `json:"product"`
	// Format is the form of the file, Version the product's that wrote it.
	Format  int       `json:"format"`
	Version string    `json:"version"`
	MadeAt  time.Time `json:"made_at"`
	// Missing says in words what is kept elsewhere and was left out.
	Missing []string `json:"missing,omitempty"`
	Members []Member `json:"members"`
}

// Member is one file, by its slash-separated path.
type Member struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Has reports whether a member lies at or under name.
func (m Manifest) Has(name string) bool {
	for _, x := range m.Members {
		if x.Name == name || strings.HasPrefix(x.Name, name+"/") {
			return true
		}
	}
	return false
}

// Write writes every regular file under dir to w. It fills in m's Product,
// Format and Members and returns it.
func Write(w io.Writer, dir string, m Manifest) (Manifest, error) {
	m.Product, m.Format, m.Members = Product, Format, nil
	err := filepath.WalkDir(dir, func(file string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		x, err := describe(dir, file)
		m.Members = append(m.Members, x)
		return err
	})
	if err != nil {
		return m, fmt.Errorf("list what to back up: %w", err)
	}
	zw, err := gzip.NewWriterLevel(w, gzip.BestSpeed) // chunks of series are compressed already
	if err != nil {
		return m, err
	}
	if err := write(tar.NewWriter(zw), dir, m); err != nil {
		return m, fmt.Errorf("write backup: %w", err)
	}
	return m, zw.Close()
}

func describe(dir, file string) (Member, error) {
	name, err := filepath.Rel(dir, file)
	if err != nil {
		return Member{}, err
	}
	f, err := os.Open(file)
	if err != nil {
		return Member{}, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, f)
	return Member{Name: filepath.ToSlash(name), Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, err
}

func write(tw *tar.Writer, dir string, m Manifest) error {
	head, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := header(tw, manifestName, int64(len(head)), m.MadeAt); err != nil {
		return err
	}
	if _, err := tw.Write(head); err != nil {
		return err
	}
	for _, x := range m.Members {
		if err := header(tw, x.Name, x.Bytes, m.MadeAt); err != nil {
			return err
		}
		f, err := os.Open(filepath.Join(dir, filepath.FromSlash(x.Name)))
		if err != nil {
			return err
		}
		_, err = io.Copy(tw, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return err
		}
	}
	return tw.Close()
}

func header(tw *tar.Writer, name string, size int64, at time.Time) error {
	return tw.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: at, Format: tar.FormatPAX})
}

// Extract writes the members into dir, each durable, and checks them all.
func Extract(r io.Reader, dir string) (Manifest, error) {
	zr, err := gzip.NewReader(r)
	if err != nil {
		return Manifest{}, damaged(err)
	}
	tr := tar.NewReader(zr)
	m, err := head(tr)
	if err != nil {
		return m, err
	}
	for _, x := range m.Members {
		if err := extract(tr, dir, x); err != nil {
			return m, err
		}
	}
	if _, err := tr.Next(); !errors.Is(err, io.EOF) {
		return m, damaged(cmpErr(err, "it holds more than its manifest names"))
	}
	if _, err := io.Copy(io.Discard, zr); err != nil { // the stream's own checksum
		return m, damaged(err)
	}
	return m, nil
}

func cmpErr(err error, why string) error {
	if err != nil {
		return err
	}
	return errors.New(why)
}

func damaged(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &DamagedError{Why: "it is cut off"}
	}
	return &DamagedError{Why: err.Error()}
}

func head(tr *tar.Reader) (Manifest, error) {
	var m Manifest
	h, err := tr.Next()
	if err != nil {
		return m, damaged(err)
	}
	if h.Name != manifestName || h.Size > maxManifest {
		return m, &DamagedError{Why: "it does not begin with a manifest"}
	}
	if err := json.NewDecoder(tr).Decode(&m); err != nil {
		return m, damaged(err)
	}
	switch {
	case m.Product != Product:
		return m, &DamagedError{Why: fmt.Sprintf("it is a %q, not a %q", m.Product, Product)}
	case m.Format > Format:
		return m, fmt.Errorf("format %d, this one knows up to %d: %w", m.Format, Format, ErrNewer)
	case m.Format < 1:
		return m, &DamagedError{Why: fmt.Sprintf("there is no format %d", m.Format)}
	}
	return m, nil
}

func extract(tr *tar.Reader, dir string, x Member) error {
	h, err := tr.Next()
	if err != nil {
		return damaged(err)
	}
	if !fs.ValidPath(x.Name) || h.Name != x.Name || h.Size != x.Bytes || h.Typeflag != tar.TypeReg {
		return &DamagedError{Why: fmt.Sprintf("%q stands where the manifest says %q", h.Name, x.Name)}
	}
	if err := os.MkdirAll(filepath.Join(dir, filepath.FromSlash(path.Dir(x.Name))), 0o700); err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, filepath.FromSlash(x.Name)), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(f, sum), tr); err != nil {
		return errors.Join(damaged(err), f.Close())
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", x.Name, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != x.SHA256 {
		return &DamagedError{Why: x.Name + " is not what was backed up: its checksum differs"}
	}
	return nil
}
