package db_test

import (
	"errors"
	"testing"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/fleet"
)

func TestTheDoorOverTheStore(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		door, secrets := furnish(t, d, s)
		p, cookie, err := door.SignIn(ctx, "li", "correct horse", "10.0.0.1")
		if err != nil || !p.Scope.Limited || p.Scope.Kinds[0] != "elevator" || !p.Scope.Estate("sunrise") {
			t.Fatalf("got %+v, %v", p, err)
		}
		d.Pass(120_000)
		if p, err := door.BySession(ctx, cookie); err != nil || p.Key() != "user:li" {
			t.Errorf("session %+v, %v", p, err)
		}
		if p, err := door.ByToken(ctx, secrets["token"]); err != nil || p.Key() != "token:tok1" || !p.Scope.AllEstates {
			t.Errorf("token %+v, %v", p, err)
		}
		if p, err := door.ByEdge(ctx, "sunrise/e1", secrets["edge"]); err != nil || p.Key() != "edge:sunrise/e1" {
			t.Errorf("edge %+v, %v", p, err)
		}
		if p, err := door.ByLink(ctx, secrets["link"]); err != nil || p.Ticket != "t1" {
			t.Errorf("link %+v, %v", p, err)
		}
		for range 10 {
			if _, _, err := door.SignIn(ctx, "li", "wrong password", "10.0.0.9"); !errors.Is(err, access.ErrRefused) {
				t.Errorf("got %v", err)
			}
		}
		var locked *access.LockedError
		if _, _, err := door.SignIn(ctx, "li", "correct horse", "10.0.0.9"); !errors.As(err, &locked) {
			t.Errorf("got %v", err)
		}
		d.Pass(15 * 60_000)
		if _, _, err := door.SignIn(ctx, "li", "correct horse", "10.0.0.9"); err != nil {
			t.Error(err)
		}
		// Revoked is out at once; an account that changes ends its sessions.
		inTx(t, s, func(tx *db.Tx) error {
			_, e1 := tx.RevokeToken(ctx, "tok1")
			was, e2 := tx.RevokeCredential(ctx, "sunrise", "c1")
			again, e3 := tx.RevokeCredential(ctx, "sunrise", "c1")
			if !was || again {
				t.Errorf("revoked %v, again %v", was, again)
			}
			a, _, e4 := tx.Account(ctx, "li")
			a.Role = access.Viewer
			return errors.Join(e1, e2, e3, e4, tx.SaveAccount(ctx, a))
		})
		_, e1 := door.ByToken(ctx, secrets["token"])
		_, e2 := door.ByEdge(ctx, "sunrise/e1", secrets["edge"])
		_, e3 := door.BySession(ctx, cookie)
		for _, err := range []error{e1, e2, e3} {
			if !errors.Is(err, access.ErrUnknown) {
				t.Errorf("got %v", err)
			}
		}
		accounts, err := s.Read().Accounts(ctx)
		if err != nil || len(accounts) != 1 || accounts[0].Role != access.Viewer {
			t.Errorf("accounts %+v, %v", accounts, err)
		}
		tokens, err := s.Read().Tokens(ctx)
		if err != nil || len(tokens) != 1 || tokens[0].RevokedMS != d.NowMS() {
			t.Errorf("tokens %+v, %v", tokens, err)
		}
	})
}

// furnish adds one of each principal and returns their secrets.
func furnish(t *testing.T, d *dbtest.Database, s *db.Store) (*access.Door, map[string]string) {
	t.Helper()
	ctx := t.Context()
	passwords, err := access.NewPasswords(2)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := passwords.Hash(ctx, "correct horse")
	if err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{}
	hashed := func(name string) string {
		secrets[name] = access.NewSecret(name + "_")
		return access.HashSecret(secrets[name])
	}
	inTx(t, s, func(tx *db.Tx) error {
		return errors.Join(
			tx.SaveOrg(ctx, fleet.Org{Estate: "sunrise", ID: "liftco", Kind: "contractor", Devices: []string{"kind:elevator"}}),
			tx.SaveStaff(ctx, duty.Staff{Estate: "sunrise", ID: "li-wei", Org: "liftco"}),
			tx.SaveAccount(ctx, access.Account{Name: "li", Role: access.Maintainer, Estates: []string{"sunrise"}, Staff: "li-wei", PasswordHash: hash}),
			tx.AddToken(ctx, access.APIToken{ID: "tok1", Name: "grafana", Hash: hashed("token"), Role: access.Viewer}),
			tx.AddCredential(ctx, access.Credential{ID: "c1", Estate: "sunrise", Edge: "e1", Hash: hashed("edge")}),
			tx.AddLink(ctx, access.Link{Hash: hashed("link"), Estate: "sunrise", Ticket: "t1", Staff: "li-wei", ExpiresMS: d.NowMS() + 3_600_000}))
	})
	return access.NewDoor(s.Access(), passwords, d.NowMS, d.Logger(t)), secrets
}
