// Package backup puts a data directory into one file, beside the daemon that
// uses it, and makes a data directory of such a file again.
//
// The file is a .tar.gz whose last entry, manifest.json, says which product and
// version made it, when, in which format, and the SHA-256 of every other entry.
// Nothing is restored before all of them were checked, and the directory is
// there whole or not at all.
//
// It does not know what the files mean; outbox.Copy says which of the outbox
// belong into a copy.
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
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
)

const manifestName = "manifest.json"

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
type File struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Make writes a backup of the data directory dir, whose outbox lies in the
// folder outboxName together with the files also, to the new file at name. m is
// completed by the Files.
// After an error there is no such file.
func Make(dir, outboxName string, also []string, name string, m Manifest) (Manifest, error) {
	if inside(name, dir) {
		return m, fmt.Errorf("%s lies in the data directory: %w", name, ErrInside)
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return m, fmt.Errorf("make backup: %w", err)
	}
	w := newWriter(f)
	err = errors.Join(w.fill(dir, outboxName, also), w.finish(&m), f.Sync(), f.Close())
	if err == nil {
		err = syncDir(filepath.Dir(name))
	}
	if err != nil {
		return m, fmt.Errorf("make backup: %w", errors.Join(err, os.Remove(name)))
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
	zip   *gzip.Writer
	tar   *tar.Writer
	files []File
	at    time.Time
}

func newWriter(f io.Writer) *writer {
	z := gzip.NewWriter(f)
	return &writer{zip: z, tar: tar.NewWriter(z), at: time.Now()}
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
		return w.add(outboxName+"/"+name, size, r)
	})
}

// file adds a file that its owner replaces by rename.
func (w *writer) file(dir, name string) error {
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return err
	}
	return w.add(name, int64(len(b)), strings.NewReader(string(b)))
}

func (w *writer) add(name string, size int64, r io.Reader) error {
	if err := w.tar.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: size, ModTime: w.at}); err != nil {
		return err
	}
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w.tar, sum), r)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if n < size { // cut off at its end meanwhile, where it holds nothing but zeros
		if _, err := io.CopyN(io.MultiWriter(w.tar, sum), zeros{}, size-n); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	w.files = append(w.files, File{Name: name, Bytes: size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return nil
}

type zeros struct{}

func (zeros) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

func (w *writer) finish(m *Manifest) error {
	m.Files = w.files
	b, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(w.add(manifestName, int64(len(b)), strings.NewReader(string(b))), w.tar.Close(), w.zip.Close())
}

func syncDir(dir string) error { return vfs.OS{}.SyncDir(dir) }
