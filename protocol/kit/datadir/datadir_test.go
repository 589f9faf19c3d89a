package datadir_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linshao/linshao/protocol/kit/datadir"
)

func open(t *testing.T, path, product string, version int) *datadir.Dir {
	t.Helper()
	d, err := datadir.Open(path, product, version)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestANewDirectoryIsPrivateAndStamped(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "edge")
	d := open(t, path, "linshao-edge", 3)
	st, err := os.Stat(path)
	if err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("mode %v, %v", st.Mode(), err)
	}
	b, err := os.ReadFile(d.Path("format"))
	if err != nil || string(b) != "linshao-edge 3\n" || d.Found != 0 {
		t.Errorf("format %q, found %d, %v", b, d.Found, err)
	}
}

func TestAnOpenDirectoryIsClosedToOthers(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	open(t, path, "linshao-edge", 1)
	if st, _ := os.Stat(path); st.Mode().Perm() != 0o700 {
		t.Errorf("mode %v", st.Mode())
	}
}

func TestOnlyOneProcessUsesIt(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	first := open(t, path, "linshao-edge", 1)
	if _, err := datadir.Open(path, "linshao-edge", 1); !errors.Is(err, datadir.ErrInUse) {
		t.Fatalf("second: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, path, "linshao-edge", 1)
}

func TestANewerDirectoryIsRefusedUntouched(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := open(t, path, "linshao-edge", 9).Close(); err != nil {
		t.Fatal(err)
	}
	_, err := datadir.Open(path, "linshao-edge", 8)
	if !errors.Is(err, datadir.ErrNewer) || !strings.Contains(err.Error(), "format 9") {
		t.Fatalf("got %v", err)
	}
	b, _ := os.ReadFile(filepath.Join(path, "format"))
	if string(b) != "linshao-edge 9\n" {
		t.Errorf("format became %q", b)
	}
	open(t, path, "linshao-edge", 9) // and the refusal released the lock
}

func TestAnOlderDirectoryWaitsForItsMigration(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := open(t, path, "linshao-cloud", 1).Close(); err != nil {
		t.Fatal(err)
	}
	d := open(t, path, "linshao-cloud", 2)
	if d.Found != 1 {
		t.Errorf("found %d", d.Found)
	}
	if err := errors.Join(d.Stamp(2), d.Close()); err != nil {
		t.Fatal(err)
	}
	if d := open(t, path, "linshao-cloud", 2); d.Found != 2 {
		t.Errorf("after the migration: %d", d.Found)
	}
}

func TestForeignAndDamagedDirectoriesAreRefused(t *testing.T) {
	t.Parallel()
	for name, format := range map[string]string{
		"another product": "linshao-cloud 1\n",
		"empty":           "",
		"no version":      "linshao-edge\n",
		"version 0":       "linshao-edge 0\n",
		"junk":            "\x00\x00\x00\x00",
	} {
		path := t.TempDir()
		if err := os.WriteFile(filepath.Join(path, "format"), []byte(format), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := datadir.Open(path, "linshao-edge", 1); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
