package password

import (
	"context"
	"testing"

	"github.com/alexedwards/argon2id"
)

var cheap = &argon2id.Params{Memory: 64, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32}

func hash(t *testing.T, password string, p *argon2id.Params) string {
	t.Helper()
	h, err := argon2id.CreateHash(password, p)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestPasswordsMatchPlainAndHashed(t *testing.T) {
	t.Parallel()
	c := New(1)
	for _, stored := range []string{"s3cret", hash(t, "s3cret", cheap)} {
		for given, want := range map[string]bool{"s3cret": true, "S3cret": false, "": false, stored + "x": false} {
			for range 2 { // the second time from memory
				if got, err := c.Matches(t.Context(), stored, []byte(given)); err != nil || got != want {
					t.Errorf("%q against %q: %v, %v", given, stored, got, err)
				}
			}
		}
	}
	h := hash(t, "s3cret", cheap)
	if ok, _ := c.Matches(t.Context(), h, []byte(h)); ok {
		t.Error("the hash itself was taken for the password")
	}
}

func TestOnlyRightPasswordsAreRemembered(t *testing.T) {
	t.Parallel()
	c := New(1)
	h := hash(t, "s3cret", cheap)
	if ok, err := c.Matches(t.Context(), h, []byte("s3cret")); !ok || err != nil {
		t.Fatal(ok, err)
	}
	c.hashing <- struct{}{} // no hash can be computed from here on
	if ok, err := c.Matches(t.Context(), h, []byte("s3cret")); !ok || err != nil {
		t.Errorf("remembered: %v, %v", ok, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if ok, err := c.Matches(ctx, h, []byte("guess")); ok || err == nil {
		t.Errorf("a guess did not wait for its turn: %v, %v", ok, err)
	}
	if ok, _ := c.Matches(ctx, hash(t, "s3cret", cheap), []byte("s3cret")); ok {
		t.Error("remembered for another hash")
	}
}

func TestMemoryOfPasswordsIsBounded(t *testing.T) {
	t.Parallel()
	c := New(1)
	for i := range 3 * maxRemembered {
		c.remember([32]byte{byte(i), byte(i >> 8), byte(i >> 16)})
	}
	if len(c.right) > maxRemembered {
		t.Errorf("%d remembered", len(c.right))
	}
}

func TestHashesThatAskForTooMuchAreRefused(t *testing.T) {
	t.Parallel()
	for stored, ok := range map[string]bool{
		"plain": true, "": false, "$argon2id$junk": false, hash(t, "x", cheap): true,
		"$argon2id$v=19$m=1048576,t=1,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA": false,
		"$argon2id$v=19$m=64,t=1000,p=1$c29tZXNhbHRzb21lc2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA":   false,
	} {
		if err := Valid(stored); (err == nil) != ok {
			t.Errorf("%q: %v", stored, err)
		}
	}
	if ok, err := New(1).Matches(t.Context(), "", nil); ok || err == nil {
		t.Error("an empty stored password let someone in")
	}
}
