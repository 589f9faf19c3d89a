package app

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/protocol/ticket"
)

// Each command does the same through the socket of a running collector and on
// the data of a stopped one.
func TestCommandsBesideARunningCollectorAndWithout(t *testing.T) {
	t.Parallel()
	for name, beside := range map[string]bool{"running": true, "stopped": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			if beside {
				s.run()
			}
			s.do(func(ctx context.Context, a *Admin) error {
				if (a.client != nil) != beside {
					t.Error("it went the other way in")
				}
				if n, err := a.Import(ctx, ImportRequest{File: "town.yaml", Text: strings.Replace(town, "PAGER", "http://127.0.0.1:9", 1)}); err != nil || n.Staff != 1 || n.Edges != 1 {
					t.Errorf("imported %+v, %v", n, err)
				}
				if err := a.AddUser(ctx, UserRequest{Name: "wang", Role: "dispatcher", Estate: "sunrise", Staff: "wang-fang", Password: "a good password"}); err != nil {
					t.Error(err)
				}
				if secret, err := a.CreateToken(ctx, TokenRequest{Name: "grafana", Role: "viewer"}); err != nil || !strings.HasPrefix(secret, "lst_") {
					t.Errorf("%q, %v", secret, err)
				}
				if up, err := a.CreateCredential(ctx, CredentialRequest{Estate: "new-lane", Edge: "n1"}); err != nil || up.Username != "new-lane/n1" || up.URL != "tcp://"+s.mqtt {
					t.Errorf("%+v, %v", up, err)
				}
				for why, err := range map[string]error{
					`there is no estate "nowhere"`: a.AddUser(ctx, UserRequest{Name: "x", Role: "viewer", Estate: "nowhere", Password: "a good password"}),
					`there is no person "nobody"`:  a.AddUser(ctx, UserRequest{Name: "x", Role: "viewer", Staff: "nobody", Password: "a good password"}),
					`role "king"`:                  a.AddUser(ctx, UserRequest{Name: "x", Role: "king", Password: "a good password"}),
					`user name "X Y"`:              a.AddUser(ctx, UserRequest{Name: "X Y", Role: "viewer", Password: "a good password"}),
					"absolute path":                only(a.Backup(ctx, BackupRequest{File: "here.db"})),
				} {
					if !IsUsage(err) || !strings.Contains(err.Error(), why) {
						t.Errorf("want %s, got %v", why, err)
					}
				}
				return nil
			})
			c := s.peek()
			for _, estate := range []string{"sunrise", "new-lane"} {
				if _, ok, err := c.Read().Estate(t.Context(), estate); !ok || err != nil {
					t.Errorf("no %s, %v", estate, err)
				}
			}
			if a, ok, err := c.Read().Account(t.Context(), "wang"); !ok || err != nil || a.Staff != "wang-fang" || a.Role != access.Dispatcher {
				t.Errorf("%+v, %v", a, err)
			}
		})
	}
}

// peek opens the database to look into it; a running collector's is readable
// beside it.
func (s *site) peek() *db.Store {
	s.t.Helper()
	store, err := db.Open(s.t.Context(), db.Options{DataDir: filepath.Join(s.dir, "data")})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = store.Close() })
	return store
}

func TestAnImportIsAllOrNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run()
	err := s.try(func(ctx context.Context, a *Admin) error {
		_, err := a.Import(ctx, ImportRequest{File: "bad.yaml", Text: "estates: [{id: good}]\nstaff: [{id: li, name: L, estate: elsewhere}]\n"})
		return err
	})
	if !IsUsage(err) || !strings.Contains(err.Error(), "bad.yaml:2:") {
		t.Errorf("got %v", err)
	}
	store := s.peek()
	if _, ok, err := store.Read().Estate(t.Context(), "good"); ok || err != nil {
		t.Errorf("half of it was written: %v, %v", ok, err)
	}
}

// The socket and its directory are the operator's alone.
func TestTheSocketIsClosedToOthers(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.run()
	for path, want := range map[string]os.FileMode{"data": 0o700, "data/admin.sock": 0o600} {
		if info, err := os.Stat(filepath.Join(s.dir, path)); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// The drill: what was committed before the backup is there after the restore,
// and nobody else can read the copy.
func TestBackupAndRestore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	file := filepath.Join(s.dir, "copy.tar.gz")
	c, stop := s.run()
	s.do(func(ctx context.Context, a *Admin) error {
		_, err := a.CreateCredential(ctx, CredentialRequest{Estate: "sunrise", Edge: "s1"})
		return err
	})
	raise(t, c, ticket.Entrapment)
	before := tickets(t, c.store)
	backup := func(ctx context.Context, a *Admin) error { return only(a.Backup(ctx, BackupRequest{File: file})) }
	s.do(backup)
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the backup's mode is %v, %v", info.Mode(), err)
	}
	if err := s.try(backup); !IsUsage(err) {
		t.Errorf("an older backup was overwritten: %v", err)
	}
	stop()

	if err := Restore(t.Context(), s.options(), file); !IsUsage(err) {
		t.Errorf("a database was overwritten: %v", err)
	}
	data := filepath.Join(s.dir, "data")
	if err := os.Rename(data, filepath.Join(s.dir, "lost")); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), s.options(), file); err != nil {
		t.Fatal(err)
	}
	c, _ = s.run()
	after := tickets(t, c.store)
	if len(before) != 1 || len(after) != 1 || after[0].ID != before[0].ID || len(after[0].Log) != len(before[0].Log) {
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// A restore that fails leaves nothing behind that a collector would start on.
func TestARestoreThatFailsLeavesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	junk := filepath.Join(s.dir, "junk.db")
	if err := os.WriteFile(junk, []byte(strings.Repeat("no database", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), s.options(), junk); err == nil {
		t.Error("junk was restored")
	}
	left, err := filepath.Glob(filepath.Join(s.dir, "data", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range left {
		if name := filepath.Base(f); name != "format" && name != "lock" {
			t.Errorf("left behind: %s", f)
		}
	}
	// A journal of another database would be played into the restored one.
	wal := filepath.Join(s.dir, "data", db.FileName+"-wal")
	if err := os.WriteFile(wal, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Restore(t.Context(), s.options(), junk); !IsUsage(err) {
		t.Errorf("restored beside a foreign journal: %v", err)
	}
	if err := Restore(t.Context(), s.options(), filepath.Join(s.dir, "none.db")); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// only drops what was told beside an error.
func only(_ BackedUp, err error) error { return err }
