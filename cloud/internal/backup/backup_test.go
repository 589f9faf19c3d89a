package backup_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/backup"
)

func files() map[string]string {
	return map[string]string{"linshao.db": "a database", "series/01A/meta.json": "{}", "series/01A/chunks/000001": "\x00\x01\x02"}
}

func made(t *testing.T) ([]byte, backup.Manifest) {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files() {
		name = filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o700), os.WriteFile(name, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	m, err := backup.Write(&out, dir, backup.Manifest{Version: "0.1.0", MadeAt: time.UnixMilli(1_732_269_600_000).UTC(), Missing: []string{"the moon"}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes(), m
}

func TestWhatIsWrittenComesBack(t *testing.T) {
	t.Parallel()
	b, want := made(t)
	dir := t.TempDir()
	got, err := backup.Extract(bytes.NewReader(b), dir)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for name, text := range files() {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != text {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	if !got.Has("series") || !got.Has("linshao.db") || got.Has("serie") {
		t.Errorf("members %+v", got.Members)
	}
}

// Every byte flipped and every cut is noticed: either an error, or the very
// same files (a flip in the head of the compression can be without effect).
func TestDamageIsNoticedEverywhere(t *testing.T) {
	t.Parallel()
	b, _ := made(t)
	for i := range b {
		bad := bytes.Clone(b)
		bad[i] ^= 0x10
		refusedOrSame(t, bad, "byte %d flipped", i)
		refusedOrSame(t, b[:i], "cut at %d", i)
	}
	refusedOrSame(t, append(bytes.Clone(b), "more"...), "%d bytes behind it", 4)
}

func refusedOrSame(t *testing.T, b []byte, how string, n int) {
	t.Helper()
	dir := t.TempDir()
	m, err := backup.Extract(bytes.NewReader(b), dir)
	if err != nil {
		return
	}
	for name, text := range files() {
		if b, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(b) != text || m.Version != "0.1.0" {
			t.Errorf(how+": %s is %q, %v", n, name, b, err)
		}
	}
}

func TestWhatIsNoBackupOrTooNewIsRefused(t *testing.T) {
	t.Parallel()
	var damaged *backup.DamagedError
	if _, err := backup.Extract(bytes.NewReader([]byte("no backup at all")), t.TempDir()); !errors.As(err, &damaged) {
		t.Errorf("junk: %v", err)
	}
	b, err := os.ReadFile(filepath.Join("testdata", "newer.tar.gz"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := backup.Extract(bytes.NewReader(b), t.TempDir()); !errors.Is(err, backup.ErrNewer) {
		t.Errorf("a newer one: %v", err)
	}
}
