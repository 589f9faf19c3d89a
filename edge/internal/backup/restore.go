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
	"path/filepath"
	"slices"
)

// Errors of Restore; the text says what to do.
var (
	ErrDamaged  = errors.New("the backup is damaged or incomplete: use another one")
	ErrNewer    = errors.New("the backup was made by a newer version: install that one first")
	ErrForeign  = errors.New("the backup is of another product")
	ErrNotEmpty = errors.New("the directory is not empty: stop the daemon and move its data away first, or name another one")
)

// Read checks the backup at name, every byte of it, and returns its Manifest.
func Read(name string) (Manifest, error) {
	var m Manifest
	var found []File
	err := each(name, func(h *tar.Header, r io.Reader) error {
		if h.Name == manifestName {
			return json.NewDecoder(r).Decode(&m)
		}
		sum := sha256.New()
		n, err := io.Copy(sum, r)
		found = append(found, File{Name: h.Name, Bytes: n, SHA256: hex.EncodeToString(sum.Sum(nil))})
		return err
	})
	var fe *fs.PathError
	if errors.As(err, &fe) {
		return m, err
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w: %w", name, ErrDamaged, err)
	}
	if m.Product == "" || !slices.Equal(found, m.Files) {
		return m, fmt.Errorf("%s: %w", name, ErrDamaged)
	}
	return m, nil
}

// Restore makes the data directory dir of the backup at name, durably and at
// once. dir must be empty, or not there. product and format are what the
// caller can read.
func Restore(name, dir, product string, format int) (Manifest, error) {
	m, err := Read(name)
	if err != nil {
		return m, err
	}
	if m.Product != product {
		return m, fmt.Errorf("%s is of %s, this is %s: %w", name, m.Product, product, ErrForeign)
	}
	if m.Format > format {
		return m, fmt.Errorf("%s has format %d, this program knows up to %d: %w", name, m.Format, format, ErrNewer)
	}
	if es, err := os.ReadDir(dir); err == nil && len(es) > 0 {
		return m, fmt.Errorf("%s: %w", dir, ErrNotEmpty)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	half := filepath.Clean(dir) + ".restoring"
	if err := os.RemoveAll(half); err != nil {
		return m, err
	}
	if err := extract(name, half); err != nil {
		return m, errors.Join(fmt.Errorf("restore %s: %w", name, err), os.RemoveAll(half))
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, err
	}
	if err := os.Rename(half, dir); err != nil {
		return m, err
	}
	return m, syncDir(filepath.Dir(filepath.Clean(dir)))
}

func extract(name, dir string) error {
	dirs := map[string]bool{dir: true}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	err := each(name, func(h *tar.Header, r io.Reader) error {
		if h.Name == manifestName {
			return nil
		}
		if !filepath.IsLocal(h.Name) {
			return fmt.Errorf("%s: %w", h.Name, ErrDamaged)
		}
		file := filepath.Join(dir, h.Name)
		dirs[filepath.Dir(file)] = true
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(f, r)
		return errors.Join(err, f.Sync(), f.Close())
	})
	for d := range dirs {
		err = errors.Join(err, syncDir(d))
	}
	return err
}

// each calls fn with every entry.
func each(name string, fn func(h *tar.Header, r io.Reader) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			// The checksum of the whole comes behind the last entry.
			_, err = io.Copy(io.Discard, z)
			return err
		}
		if err != nil {
			return err
		}
		if err := fn(h, r); err != nil {
			return err
		}
	}
}
