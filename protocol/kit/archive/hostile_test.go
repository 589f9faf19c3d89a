package archive_test

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
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linshao/linshao/protocol/kit/archive"
)

// entry is one member that somebody hostile made up, with all its sums right.
type entry struct {
	name, text, link string
	kind             byte
	size             int64 // if it lies
}

func file(name, text string) entry { return entry{name: name, text: text, kind: tar.TypeReg} }

// forged packs entries with a manifest that agrees with every one of them.
func forged(t *testing.T, form archive.Form, entries []entry) []byte {
	t.Helper()
	var m manifest
	for _, e := range entries {
		sum := sha256.Sum256([]byte(e.text))
		m.Members = append(m.Members, archive.Member{Name: e.name, Bytes: max(e.size, int64(len(e.text))), SHA256: hex.EncodeToString(sum[:])})
	}
	head, err := json.Marshal(m)
	check(t, err)
	if form.ManifestFirst {
		entries = append([]entry{file(archive.ManifestName, string(head))}, entries...)
	} else {
		entries = append(entries, file(archive.ManifestName, string(head)))
	}
	return packed(t, entries)
}

func packed(t *testing.T, entries []entry) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := tar.NewWriter(z)
	for _, e := range entries {
		check(t, w.WriteHeader(&tar.Header{Name: e.name, Linkname: e.link, Typeflag: e.kind, Mode: 0o600, Size: max(e.size, int64(len(e.text)))}))
		if _, err := io.WriteString(w, e.text); err != nil {
			t.Fatal(err)
		}
		if e.size > 0 { // it ends here, in the midst of a member
			check(t, errors.Join(z.Close()))
			return out.Bytes()
		}
	}
	check(t, errors.Join(w.Close(), z.Close()))
	return out.Bytes()
}

func TestHostileArchivesAreRefused(t *testing.T) {
	t.Parallel()
	var many []entry
	for i := range 11 {
		many = append(many, file(fmt.Sprint("f", i), "x"))
	}
	for name, entries := range map[string][]entry{
		"a way out":               {file("../out", "x")},
		"a way out further down":  {file("a/../../out", "x")},
		"an absolute name":        {file("/tmp/linshao-archive-out", "x")},
		"a dot":                   {file("./a", "x")},
		"no name":                 {file(".", "x")},
		"a backslash":             {file(`..\out`, "x")},
		"a name that is too long": {file(strings.Repeat("a/", 600)+"a", "x")},
		"a symbolic link":         {{name: "l", link: "..", kind: tar.TypeSymlink}, file("l/out", "x")},
		"a hard link":             {{name: "l", link: "/etc/passwd", kind: tar.TypeLink}},
		"a folder":                {{name: "d/", kind: tar.TypeDir}},
		"a device":                {{name: "d", kind: tar.TypeChar}},
		"a pipe":                  {{name: "p", kind: tar.TypeFifo}},
		"the same name twice":     {file("a", "x"), file("a", "x")},
		"a file as a folder":      {file("a", "x"), file("a/b", "x")},
		"a folder as a file":      {file("a/b", "x"), file("a", "x")},
		"too many":                many,
		"too large":               {file("a", strings.Repeat("x", 1025))},
		"too large together":      {file("a", strings.Repeat("x", 1000)), file("b", strings.Repeat("x", 25))},
		"a size that is a lie":    {{name: "a", text: "x", kind: tar.TypeReg, size: 1 << 50}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, form archive.Form) { refused(t, form, forged(t, form, entries)) })
		})
	}
}

// refused wants an archive to be damaged, and nothing to be beside the folder
// that it was extracted to.
func refused(t *testing.T, form archive.Form, b []byte) {
	t.Helper()
	base := t.TempDir()
	var damaged *archive.DamagedError
	if err := form.Verify(bytes.NewReader(b), names); !errors.As(err, &damaged) {
		t.Errorf("verified: %v", err)
	}
	if err := form.Extract(bytes.NewReader(b), filepath.Join(base, "a", "b"), names); !errors.As(err, &damaged) {
		t.Errorf("extracted: %v", err)
	}
	for _, dir := range []string{base, filepath.Join(base, "a")} {
		if es, err := os.ReadDir(dir); err != nil || len(es) != 1 {
			t.Errorf("%s: %v, %v", dir, es, err)
		}
	}
	if _, err := os.Lstat("/tmp/linshao-archive-out"); err == nil {
		t.Error("it got out")
	}
}

func TestAManifestThatDisagreesIsNoticed(t *testing.T) {
	t.Parallel()
	sum := sha256.Sum256([]byte("x"))
	x := archive.Member{Name: "x", Bytes: 1, SHA256: hex.EncodeToString(sum[:])}
	other := x
	other.Name = "y"
	wrong := x
	wrong.SHA256 = strings.Repeat("0", 64)
	for name, members := range map[string][]archive.Member{"of nothing": nil, "of more": {x, other}, "of another": {other}, "of another content": {wrong}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			head, err := json.Marshal(manifest{members})
			check(t, err)
			refused(t, forms["manifest first"], packed(t, []entry{file(archive.ManifestName, string(head)), file("x", "x")}))
			refused(t, forms["manifest last"], packed(t, []entry{file("x", "x"), file(archive.ManifestName, string(head))}))
		})
	}
	each(t, func(t *testing.T, form archive.Form) {
		refused(t, form, packed(t, []entry{file("x", "x")}))
		refused(t, form, packed(t, nil))
		refused(t, form, packed(t, []entry{{name: archive.ManifestName, link: "x", kind: tar.TypeSymlink}}))
		refused(t, form, packed(t, []entry{file(archive.ManifestName, "{}"), file(archive.ManifestName, "{}")}))
	})
	refused(t, forms["manifest first"], forged(t, forms["manifest last"], []entry{file("x", "x")}))
	refused(t, forms["manifest last"], forged(t, forms["manifest first"], []entry{file("x", "x")}))
}

// Zeros compress a thousandfold; behind the last member they would be read for
// hours.
func TestEndlessPaddingIsRefused(t *testing.T) {
	t.Parallel()
	form := forms["manifest first"]
	z, err := gzip.NewReader(bytes.NewReader(made(t, form, files())))
	check(t, err)
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, err = io.Copy(w, z)
	_, more := w.Write(make([]byte, 65<<10))
	check(t, errors.Join(err, more, w.Close()))
	refused(t, form, out.Bytes())
}
