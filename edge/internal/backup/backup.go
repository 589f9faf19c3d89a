// Package backup puts a data directory into one file, beside the daemon that
// uses it, and makes a data directory of such a file again.
//
// The file is an archive whose last member, manifest.json, says which product
// and version made it, when, in which format, and the SHA-256 of every other
// member. Nothing takes its place before all of them were checked, and the
// directory is there whole or not at all.
//
// It does not know what the files mean; outbox.Copy says which of the outbox
// belong into a copy.
package backup

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
	"github.com/linshao/linshao/protocol/kit/archive"
)

// form bounds what is restored: an outbox has segments of megabytes.
var form = archive.Form{Members: 1_000_000, Bytes: 1 << 40}

// Manifest says what a backup is.
type Manifest struct {
	Product string `json:"product"`
	// Format is the schema version of the data directory.
	Format  int    `json:"format"`
	Version string `json:"version"`
	// MadeMS is when the backup began: what was acknowledged before is in it.
	MadeMS int64  `json:"made_ms"`
	Files  []File `json:"files"`
}

// File is one entry of a backup.
type File = archive.Member

// Make writes a backup of the data directory dir, whose outbox lies in the
// folder outboxName together with the files also, to the new file at name. m is
// completed by the Files.
// After an error there is no such file.
func Make(dir, outboxName string, also []string, name string, m Manifest) (Manifest, error) {
	if inside(name, dir) {
		return m, fmt.Errorf("%s lies in the data directory: %w", name, ErrInside)
	}
	_, err := archive.WriteFile(name, func(to io.Writer) error {
		out, err := archive.NewWriter(to, gzip.DefaultCompression, time.UnixMilli(m.MadeMS))
		if err != nil {
			return err
		}
		w := writer{out: out}
		err = w.fill(dir, outboxName, also)
		m.Files = w.files
		return errors.Join(err, out.Manifest(m), out.Close())
	})
	if err != nil {
		return m, fmt.Errorf("make backup: %w", err)
	}
	return m, nil
}

// ErrInside: a backup would contain itself, and go with what it is a backup of.
var ErrInside = errors.New("write the backup elsewhere, best to another disk")

func inside(name, dir string) bool {
	a, errA := filepath.Abs(name)
	d, errD := filepath.Abs(dir)
	if errA != nil || errD != nil {
		return false
	}
	rel, err := filepath.Rel(d, a)
	return err == nil && filepath.IsLocal(rel)
}

type writer struct {
	out   *archive.Writer
	files []File
}

// fill adds all that belongs into the backup.
func (w *writer) fill(dir, outboxName string, also []string) error {
	es, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range es {
		// A .new is half a file; the lock is this machine's.
		if e.Type().IsRegular() && e.Name() != "lock" && !strings.HasSuffix(e.Name(), ".new") {
			if err := w.file(dir, e.Name()); err != nil {
				return err
			}
		}
	}
	return outbox.Copy(vfs.OS{}, filepath.Join(dir, outboxName), also, func(name string, size int64, r io.Reader) error {
		// One cut off at its end meanwhile held nothing but zeros there.
		return w.add(outboxName+"/"+name, size, io.LimitReader(io.MultiReader(r, zeros{}), size))
	})
}

// file adds a file that its owner replaces by rename.
func (w *writer) file(dir, name string) error {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	return w.add(name, int64(len(b)), bytes.NewReader(b))
}

func (w *writer) add(name string, size int64, r io.Reader) error {
	m, err := w.out.Add(name, size, r)
	w.files = append(w.files, m)
	return err
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}
