package archive

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestAFileHasItsNameOnlyWhenItIsWhole(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	name := filepath.Join(dir, "a")
	broken := errors.New("broken")
	if _, err := WriteFile(name, func(w io.Writer) error { _, _ = io.WriteString(w, "half"); return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if es, err := os.ReadDir(dir); err != nil || len(es) != 0 {
		t.Errorf("left %v, %v", es, err)
	}
	n, err := WriteFile(name, func(w io.Writer) error {
		if _, err := os.Lstat(name); err == nil {
			t.Error("it is there before it is whole")
		}
		_, err := io.WriteString(w, "whole")
		return err
	})
	if b, readErr := os.ReadFile(name); err != nil || n != 5 || readErr != nil || string(b) != "whole" {
		t.Errorf("%q, %d, %v, %v", b, n, err, readErr)
	}
	if _, err := WriteFile(name, func(io.Writer) error { t.Error("filled"); return nil }); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	if info, err := os.Stat(name); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if es, err := os.ReadDir(dir); err != nil || len(es) != 1 {
		t.Errorf("left %v, %v", es, err)
	}
}

func TestAFileIsNamedWhereThereAreNoLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	none := func(string, string) error { return &os.LinkError{Op: "link", Err: errors.ErrUnsupported} }
	if err := errors.Join(os.WriteFile(from, []byte("x"), 0o600), give(from, to, none)); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(to); err != nil || string(b) != "x" {
		t.Errorf("%q, %v", b, err)
	}
	if err := errors.Join(os.WriteFile(from, []byte("y"), 0o600), give(from, to, none)); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	if err := give(filepath.Join(dir, "none"), filepath.Join(dir, "new"), none); err == nil {
		t.Error("named what is not there")
	}
	if _, err := os.Lstat(filepath.Join(dir, "new")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty file is left: %v", err)
	}
}

func TestAFolderIsPlacedWhereNothingIs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	if err := errors.Join(os.Mkdir(from, 0o700), os.WriteFile(filepath.Join(from, "f"), nil, 0o600), os.Mkdir(to, 0o700), Place(from, to)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Mkdir(from, 0o700)); err != nil {
		t.Fatal(err)
	}
	if err := Place(from, to); err == nil {
		t.Error("placed over what was there")
	}
	if _, err := os.Stat(filepath.Join(to, "f")); err != nil {
		t.Error(err)
	}
}
