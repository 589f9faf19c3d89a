package archive

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
)

// Verify reads all of an archive and checks it against its manifest.
func (f Form) Verify(r io.Reader, head Head) error {
	return f.read(r, head, func(string, io.Reader) error { return nil })
}

// Extract writes the members of an archive into the folder dir, names and all
// durably, and checks it against its manifest. No member may be there yet.
func (f Form) Extract(r io.Reader, dir string, head Head) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	err = f.read(r, head, func(name string, r io.Reader) error { return extract(root, name, r) })
	if err != nil {
		return err
	}
	return SyncTree(dir)
}

func extract(root *os.Root, name string, r io.Reader) error {
	if err := root.MkdirAll(path.Dir(name), 0o700); err != nil {
		return err
	}
	f, err := root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	return errors.Join(err, f.Sync(), f.Close())
}

// read hands every member to take and checks that it and all others are what
// the manifest says.
func (f Form) read(r io.Reader, head Head, take func(name string, r io.Reader) error) error {
	z, err := gzip.NewReader(r)
	if err != nil {
		return damaged(err)
	}
	g := &reading{form: f, tar: tar.NewReader(z), head: head, take: take, seen: map[string]bool{}}
	for more := true; more; {
		if more, err = g.next(); err != nil {
			return err
		}
	}
	if !g.headed {
		return damagedf("it has no manifest")
	}
	if len(g.found) < len(g.want) {
		return damagedf("%q, which the manifest names, is missing", g.want[len(g.found)].Name)
	}
	// The checksum of the whole comes behind the padding.
	n, err := io.Copy(io.Discard, io.LimitReader(z, maxPadding+1))
	if err != nil {
		return damaged(err)
	}
	if n > maxPadding {
		return damagedf("too much follows its last member")
	}
	return nil
}

// reading is one pass over an archive.
type reading struct {
	form Form
	tar  *tar.Reader
	head Head
	take func(string, io.Reader) error

	headed bool
	want   []Member
	found  []Member
	bytes  int64
	// seen are the members, true, and the folders they lie in, false.
	seen map[string]bool
}

// next reads one member; false: there are no more.
func (g *reading) next() (bool, error) {
	h, err := g.tar.Next()
	if errors.Is(err, io.EOF) {
		return false, nil
	}
	if err != nil {
		return false, damaged(err)
	}
	if g.headed && !g.form.ManifestFirst {
		return false, damagedf("%q follows its manifest", h.Name)
	}
	if h.Name == ManifestName && !g.headed {
		return true, g.manifest(h)
	}
	if g.form.ManifestFirst && !g.headed {
		return false, damagedf("it does not begin with a manifest")
	}
	if err := g.fits(h); err != nil {
		return false, err
	}
	sum := sha256.New()
	if err := g.take(h.Name, io.TeeReader(g.tar, sum)); err != nil {
		return false, damaged(err)
	}
	if _, err := io.Copy(sum, g.tar); err != nil { // what take has left
		return false, damaged(err)
	}
	g.found = append(g.found, Member{Name: h.Name, Bytes: h.Size, SHA256: hex.EncodeToString(sum.Sum(nil))})
	return true, g.compare(len(g.found) - 1)
}

// manifest reads the head and compares it with what came before.
func (g *reading) manifest(h *tar.Header) error {
	if h.Typeflag != tar.TypeReg || h.Size > maxManifest {
		return damagedf("its manifest is none")
	}
	b, err := io.ReadAll(g.tar)
	if err != nil {
		return damaged(err)
	}
	g.headed = true
	if g.want, err = g.head(b); err != nil {
		return err
	}
	for i := range g.found {
		if err := g.compare(i); err != nil {
			return err
		}
	}
	return nil
}

// fits refuses a member by its header, before any of it is read.
func (g *reading) fits(h *tar.Header) error {
	switch at := len(g.found); {
	case h.Typeflag != tar.TypeReg:
		return damagedf("%q is no regular file", h.Name)
	case !fs.ValidPath(h.Name) || h.Name == "." || len(h.Name) > maxName || strings.ContainsAny(h.Name, "\\\x00"):
		return damagedf("%.200q is no name for a file in it", h.Name)
	case at >= g.form.Members:
		return damagedf("it holds more than %d files", g.form.Members)
	case h.Size > g.form.Bytes-g.bytes:
		return damagedf("it unpacks to more than %d bytes", g.form.Bytes)
	case g.headed && (at >= len(g.want) || g.want[at].Name != h.Name || g.want[at].Bytes != h.Size):
		return damagedf("%q stands where the manifest names another", h.Name)
	}
	g.bytes += h.Size
	return g.claim(h.Name)
}

// claim takes a name, which neither another member nor a folder may have.
func (g *reading) claim(name string) error {
	if _, taken := g.seen[name]; taken {
		return damagedf("%q is in it twice", name)
	}
	g.seen[name] = true
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if g.seen[dir] {
			return damagedf("%q is both a file and a folder", dir)
		}
		g.seen[dir] = false
	}
	return nil
}

// compare holds what was found against the manifest, once that is known.
func (g *reading) compare(i int) error {
	if !g.headed {
		return nil
	}
	if i >= len(g.want) {
		return damagedf("%q is not in its manifest", g.found[i].Name)
	}
	if got, want := g.found[i], g.want[i]; got != want {
		if got.Name == want.Name {
			return damagedf("%s is not what was backed up: its checksum differs", got.Name)
		}
		return damagedf("%q stands where the manifest says %q", got.Name, want.Name)
	}
	return nil
}
