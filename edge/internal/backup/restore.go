package backup

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/linshao/linshao/protocol/kit/archive"
)

// Errors of Restore; the text says what to do.
var (
	ErrDamaged  = errors.New("the backup is damaged or incomplete: use another one")
	ErrNewer    = errors.New("the backup was made by a newer version: install that one first")
	ErrForeign  = errors.New("the backup is of another product")
	ErrNotEmpty = errors.New("the directory is not empty: stop the daemon and move its data away first, or name another one")
)

// Restore makes the data directory dir of the backup at name, durably and at
// once. dir must be empty, or not there. product and format are what the
// caller can read.
func Restore(name, dir, product string, format int) (Manifest, error) {
	if es, err := os.ReadDir(dir); err == nil && len(es) > 0 {
		return Manifest{}, fmt.Errorf("%s: %w", dir, ErrNotEmpty)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return Manifest{}, err
	}
	half := filepath.Clean(dir) + ".restoring"
	if err := os.RemoveAll(half); err != nil {
		return Manifest{}, err
	}
	m, err := extract(name, half, product, format)
	if err == nil {
		err = archive.Place(half, dir)
	}
	if err != nil {
		return m, errors.Join(fmt.Errorf("restore %s: %w", name, err), os.RemoveAll(half))
	}
	return m, nil
}

// extract writes what the backup at name holds into the new folder dir.
func extract(name, dir, product string, format int) (Manifest, error) {
	var m Manifest
	f, err := os.Open(name)
	if err != nil {
		return m, err
	}
	defer func() { _ = f.Close() }()
	err = form.Extract(f, dir, func(manifest []byte) ([]File, error) {
		if err := json.Unmarshal(manifest, &m); err != nil {
			return nil, &archive.DamagedError{Why: err.Error()}
		}
		return m.Files, m.known(product, format)
	})
	var damaged *archive.DamagedError
	if errors.As(err, &damaged) {
		return m, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return m, err
}

// known refuses a backup of another product or of a newer format.
func (m Manifest) known(product string, format int) error {
	switch {
	case m.Product == "":
		return &archive.DamagedError{Why: "its manifest names no product"}
	case m.Product != product:
		return fmt.Errorf("it is of %s, this is %s: %w", m.Product, product, ErrForeign)
	case m.Format > format:
		return fmt.Errorf("it has format %d, this program knows up to %d: %w", m.Format, format, ErrNewer)
	}
	return nil
}
