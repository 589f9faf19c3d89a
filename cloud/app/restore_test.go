package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linshao/linshao/cloud/internal/config"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/protocol/kit/datadir"
	"github.com/linshao/linshao/protocol/ticket"
)

// backedUp is a site with one ticket, stopped, and its backup.
func backedUp(t *testing.T) (s *site, file string) {
	t.Helper()
	s = newSite(t)
	file = filepath.Join(s.dir, "copy.tar.gz")
	c, stop := s.run()
	s.do(func(ctx context.Context, a *Admin) error {
		_, err := a.CreateCredential(ctx, CredentialRequest{Estate: "sunrise", Edge: "s1"})
		return err
	})
	raise(t, c, ticket.Entrapment)
	s.do(func(ctx context.Context, a *Admin) error { return only(a.Backup(ctx, BackupRequest{File: file})) })
	stop()
	return s, file
}

func (s *site) lose() {
	s.t.Helper()
	if err := os.RemoveAll(filepath.Join(s.dir, "data")); err != nil {
		s.t.Fatal(err)
	}
}

// The process may die between any two steps of a restore: a collector then
// either starts on nothing, or refuses until the restore was run again, or has
// it all.
func TestARestoreMayBeCutOffAnywhere(t *testing.T) {
	t.Parallel()
	s, file := backedUp(t)
	for cut := range 7 {
		s.lose()
		cfg, err := config.Load(s.conf, nil)
		if err != nil {
			t.Fatal(err)
		}
		dir, err := datadir.Open(cfg.DataDir, product, format)
		if err != nil {
			t.Fatal(err)
		}
		for _, step := range (restore{cfg: cfg, dir: dir}).steps(file)[:min(cut, 6)] {
			if err := step(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		_ = dir.Close()
		_, placed := os.Stat(filepath.Join(s.dir, "data", db.FileName))
		if cut == 4 { // the series are in place, the database is not
			var cutOff *CutOffError
			if err := Run(t.Context(), s.options()); !errors.As(err, &cutOff) || !IsUsage(err) {
				t.Errorf("served half a restore: %v", err)
			}
		}
		if err := Restore(t.Context(), s.options(), file); err != nil && placed != nil {
			t.Errorf("again after %d steps: %v", cut, err)
		}
		c, stop := s.run()
		if n := len(tickets(t, c.store)); n != 1 {
			t.Errorf("cut off after %d steps: %d tickets", cut, n)
		}
		for _, left := range []string{restoring, staging + "-*"} {
			if found, _ := filepath.Glob(filepath.Join(s.dir, "data", left)); len(found) > 0 {
				t.Errorf("cut off after %d steps: left %v", cut, found)
			}
		}
		stop()
	}
}

// A backup of 0.1.0 was the database alone.
func TestABackupOfTheFirstVersionIsRestored(t *testing.T) {
	t.Parallel()
	s, _ := backedUp(t)
	old := filepath.Join(s.dir, "old.db")
	if err := s.peek().Backup(t.Context(), old); err != nil {
		t.Fatal(err)
	}
	other := newSite(t)
	if err := Restore(t.Context(), other.options(), old); err != nil {
		t.Fatal(err)
	}
	c, _ := other.run()
	if n := len(tickets(t, c.store)); n != 1 {
		t.Errorf("%d tickets", n)
	}
}

func TestADamagedBackupLeavesNothing(t *testing.T) {
	t.Parallel()
	s, file := backedUp(t)
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string][]byte{
		"cut off": whole[:len(whole)/2], "flipped": append(append(append([]byte{}, whole[:len(whole)/2]...), whole[len(whole)/2]^1), whole[len(whole)/2+1:]...),
	} {
		s.lose()
		if err := os.WriteFile(file, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := Restore(t.Context(), s.options(), file); err == nil || !strings.Contains(err.Error(), "damaged") {
			t.Errorf("%s: %v", name, err)
		}
		left, err := os.ReadDir(filepath.Join(s.dir, "data"))
		if err != nil || len(left) != 2 { // format and lock
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}
