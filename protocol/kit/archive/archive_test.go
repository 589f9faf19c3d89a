package archive_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/protocol/kit/archive"
)

type manifest struct{ Members []archive.Member }

func names(text []byte) ([]archive.Member, error) {
	var m manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, &archive.DamagedError{Why: err.Error()}
	}
	return m.Members, nil
}

var forms = map[string]archive.Form{
	"manifest first": {ManifestFirst: true, Members: 10, Bytes: 1 << 10},
	"manifest last":  {Members: 10, Bytes: 1 << 10},
}

func files() map[string]string {
	return map[string]string{"a.db": "a database", "series/01A/meta.json": "{}", "series/01A/chunks/1": "\x00\x01", "empty": ""}
}

// made packs files as a Form wants them.
func made(t *testing.T, f archive.Form, files map[string]string) []byte {
	t.Helper()
	pack := func(m manifest) ([]byte, manifest) {
		var out bytes.Buffer
		w, err := archive.NewWriter(&out, gzip.BestSpeed, time.UnixMilli(1_732_269_600_000))
		check(t, err)
		if f.ManifestFirst {
			check(t, w.Manifest(m))
		}
		var found manifest
		for _, name := range slices.Sorted(maps.Keys(files)) {
			x, err := w.Add(name, int64(len(files[name])), strings.NewReader(files[name]))
			check(t, err)
			found.Members = append(found.Members, x)
		}
		if !f.ManifestFirst {
			check(t, w.Manifest(found))
		}
		check(t, w.Close())
		return out.Bytes(), found
	}
	_, m := pack(manifest{})
	b, _ := pack(m)
	return b
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// held reads back all files below dir.
func held(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	check(t, filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		name, relErr := filepath.Rel(dir, p)
		out[filepath.ToSlash(name)] = string(b)
		return errors.Join(err, relErr)
	}))
	return out
}

func each(t *testing.T, f func(t *testing.T, form archive.Form)) {
	for name, form := range forms {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, form)
		})
	}
}

func TestWhatIsAddedComesBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, form archive.Form) {
		b, dir := made(t, form, files()), filepath.Join(t.TempDir(), "new")
		check(t, form.Verify(bytes.NewReader(b), names))
		check(t, form.Extract(bytes.NewReader(b), dir, names))
		if d := cmp.Diff(files(), held(t, dir)); d != "" {
			t.Error(d)
		}
		if err := form.Extract(bytes.NewReader(b), dir, names); !errors.Is(err, fs.ErrExist) {
			t.Errorf("over what is there: %v", err)
		}
	})
}

// Every byte flipped and every cut is noticed, or is without effect: the time of
// the compression, say.
func TestDamageIsNoticedEverywhere(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, form archive.Form) {
		b := made(t, form, files())
		for i := range b {
			bad := bytes.Clone(b)
			bad[i] ^= 1 << (i % 8)
			refusedOrSame(t, form, bad, false)
			refusedOrSame(t, form, b[:i], true)
		}
		refusedOrSame(t, form, append(bytes.Clone(b), "more"...), true)
		refusedOrSame(t, form, nil, true)
	})
}

func refusedOrSame(t *testing.T, form archive.Form, b []byte, refused bool) {
	t.Helper()
	var damaged *archive.DamagedError
	err := form.Verify(bytes.NewReader(b), names)
	if err != nil && !errors.As(err, &damaged) || err == nil && refused {
		t.Fatalf("%d bytes: %v", len(b), err)
	}
	if err != nil {
		return
	}
	dir := t.TempDir()
	check(t, form.Extract(bytes.NewReader(b), dir, names))
	if d := cmp.Diff(files(), held(t, dir)); d != "" {
		t.Fatal(d)
	}
}

func TestTheManifestsOwnErrorIsPassedOn(t *testing.T) {
	t.Parallel()
	newer := errors.New("newer")
	each(t, func(t *testing.T, form archive.Form) {
		err := form.Verify(bytes.NewReader(made(t, form, files())), func([]byte) ([]archive.Member, error) { return nil, newer })
		if !errors.Is(err, newer) {
			t.Error(err)
		}
	})
}

// What a disk refuses is no damage of the archive.
func TestADiskThatFailsIsNotDamage(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, form archive.Form) {
		base := t.TempDir()
		check(t, os.WriteFile(filepath.Join(base, "file"), nil, 0o600))
		err := form.Extract(bytes.NewReader(made(t, form, files())), filepath.Join(base, "file", "dir"), names)
		var damaged *archive.DamagedError
		if err == nil || errors.As(err, &damaged) {
			t.Errorf("into a file: %v", err)
		}
		dir := filepath.Join(base, "dir")
		check(t, os.MkdirAll(filepath.Join(dir, "empty"), 0o700))
		err = form.Extract(bytes.NewReader(made(t, form, files())), dir, names)
		if err == nil || errors.As(err, &damaged) {
			t.Errorf("where a folder stands: %v", err)
		}
	})
}

func TestAMemberIsAsLongAsItSays(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{2, 4} {
		w, err := archive.NewWriter(io.Discard, gzip.BestSpeed, time.UnixMilli(0))
		check(t, err)
		if _, err := w.Add("three", size, strings.NewReader("abc")); err == nil {
			t.Errorf("three bytes were added as %d", size)
		}
	}
}
