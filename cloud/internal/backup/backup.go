// Package backup is the file that `linshao-cloud backup` writes: an archive whose
// first member, manifest.json, names every other one with its size and SHA-256.
//
// What it guarantees: Extract gives back what Write was given, byte for byte, or
// an error; a file that is cut off, flipped or was never a backup is a
// *DamagedError; one from a newer version is ErrNewer. Nothing is written
// outside the folder that Extract is told. It does not know what the members
// are: package app does.
package backup

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/linshao/linshao/protocol/kit/archive"
)

// Product and Format are written into every backup.
const (
	Product = "linshao-cloud backup"
	Format  = 1
)

// form bounds what is restored: years of series.
var form = archive.Form{ManifestFirst: true, Members: 1_000_000, Bytes: 64 << 40}

// ErrNewer means that a newer version of the product wrote the file.
var ErrNewer = errors.New("the backup was written by a newer version of linshao-cloud; restore it with that version")

// DamagedError says what is wrong with a file.
type DamagedError = archive.DamagedError

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
type Member = archive.Member

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
	out, err := archive.NewWriter(w, gzip.BestSpeed, m.MadeAt) // chunks of series are compressed already
	if err != nil {
		return m, err
	}
	err = out.Manifest(m)
	for _, x := range m.Members {
		err = errors.Join(err, add(out, dir, x))
	}
	if err := errors.Join(err, out.Close()); err != nil {
		return m, fmt.Errorf("write backup: %w", err)
	}
	return m, nil
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

// add adds a member that the manifest has described already.
func add(out *archive.Writer, dir string, want Member) error {
	f, err := os.Open(filepath.Join(dir, filepath.FromSlash(want.Name)))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	got, err := out.Add(want.Name, want.Bytes, f)
	if err == nil && got != want {
		err = fmt.Errorf("%s was changed while it was backed up", want.Name)
	}
	return err
}

// Verify reads a whole backup and checks it.
func Verify(r io.Reader) (Manifest, error) {
	var m Manifest
	err := form.Verify(r, m.head)
	return m, err
}

// Extract writes the members into dir, each durable, and checks them all.
func Extract(r io.Reader, dir string) (Manifest, error) {
	var m Manifest
	err := form.Extract(r, dir, m.head)
	return m, err
}

// head takes a manifest in.
func (m *Manifest) head(text []byte) ([]Member, error) {
	if err := json.Unmarshal(text, m); err != nil {
		return nil, &DamagedError{Why: err.Error()}
	}
	switch {
	case m.Product != Product:
		return nil, &DamagedError{Why: fmt.Sprintf("it is a %q, not a %q", m.Product, Product)}
	case m.Format > Format:
		return nil, fmt.Errorf("format %d, this one knows up to %d: %w", m.Format, Format, ErrNewer)
	case m.Format < 1:
		return nil, &DamagedError{Why: fmt.Sprintf("there is no format %d", m.Format)}
	}
	return m.Members, nil
}
