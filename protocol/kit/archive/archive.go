// Package archive is the one file that a backup is: a gzipped tar of regular
// files and a manifest.json, first or last, that names each of them with its
// size and SHA-256. What else the manifest says is its product's business.
//
// What it guarantees: Extract gives back what a Writer was given, byte for
// byte and durably, or an error; a file that is cut off, flipped, or made by
// somebody hostile is a *DamagedError. Nothing is written outside the folder
// that Extract is told, no link is made or followed, and no more is written
// than the Form allows. WriteFile lets a file have its name only when all of
// it is durable; Place does the same for a folder.
//
// A failed Extract leaves what it has written so far: extract into a folder of
// its own, and Place it or remove it.
package archive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
)

// ManifestName is the member that describes the others.
const ManifestName = "manifest.json"

const (
	// maxManifest bounds the manifest, in bytes: some 100,000 members.
	maxManifest = 16 << 20
	// maxName bounds a member's name, in bytes.
	maxName = 1024
	// maxPadding bounds what may follow the last member, in bytes: two blocks
	// of zeros by us, a record of 20 blocks by others.
	maxPadding = 64 << 10
)

// DamagedError says what is wrong with an archive.
type DamagedError struct{ Why string }

func (e *DamagedError) Error() string { return "the backup is damaged: " + e.Why }

// Member is one file, by its slash-separated path.
type Member struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"` // in hex
}

// Form is how a product lays its archives out and what it takes for one.
type Form struct {
	// ManifestFirst: the manifest is the first member, else the last.
	ManifestFirst bool
	// Members and Bytes bound what the archive unpacks to, without its manifest.
	Members int
	Bytes   int64
}

// Head reads a manifest and returns the members that it names, in their order.
// Its error ends the reading and is returned as it is.
type Head func(manifest []byte) ([]Member, error)

// damaged says that what was read is no good; that it could not be read, or
// written elsewhere, is another matter.
func damaged(err error) error {
	var file *fs.PathError
	var known *DamagedError
	switch {
	case errors.As(err, &file), errors.As(err, &known):
		return err
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &DamagedError{Why: "it is cut off"}
	}
	return &DamagedError{Why: err.Error()}
}

func damagedf(form string, args ...any) error {
	return &DamagedError{Why: fmt.Sprintf(form, args...)}
}
