package access_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linshao/linshao/cloud/internal/access"
)

const password = "correct horse"

// house is a Door with one account in front of a clock of its own.
type house struct {
	*access.Door
	*memory
	t         *testing.T
	passwords *access.Passwords
	nowMS     atomic.Int64
	logged    strings.Builder
}

func newHouse(t *testing.T) *house {
	t.Helper()
	passwords, err := access.NewQuickPasswords(2)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{memory: newMemory(), t: t, passwords: passwords}
	h.nowMS.Store(1_000_000)
	h.Door = access.NewDoor(h.memory, passwords, h.nowMS.Load, slog.New(slog.NewTextHandler(&h.logged, nil)))
	hash, err := passwords.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	h.accounts["li"] = access.Account{
		Name: "li", Role: access.Patrol, Estates: []string{"sunrise"}, Staff: "li-wei", PasswordHash: hash,
	}
	return h
}

func (h *house) pass(d time.Duration) { h.nowMS.Add(d.Milliseconds()) }

func (h *house) wantRefused(err, want error) {
	h.t.Helper()
	if !errors.Is(err, want) {
		h.t.Errorf("want %v, got %v", want, err)
	}
}

func (h *house) wantLocked(err error) {
	h.t.Helper()
	var l *access.LockedError
	if !errors.As(err, &l) || l.RetryAfter <= 0 {
		h.t.Errorf("want a lock, got %v", err)
	}
}

func TestSignInOpensASession(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	p, cookie, err := h.SignIn(t.Context(), "li", password, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	if p.Kind != access.User || p.Staff != "li-wei" || !p.Scope.Estate("sunrise") || p.Scope.Estate("other") {
		t.Errorf("got %+v", p)
	}
	if _, ok := h.sessions[cookie]; ok {
		t.Error("the cookie's value is stored in clear")
	}
	again, err := h.BySession(t.Context(), cookie)
	if err != nil || again.Key() != "user:li" {
		t.Errorf("got %+v, %v", again, err)
	}
	if err := h.SignOut(t.Context(), cookie); err != nil {
		t.Fatal(err)
	}
	_, err = h.BySession(t.Context(), cookie)
	h.wantRefused(err, access.ErrUnknown)
}

func TestASessionEndsByIdlenessAndByAge(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, cookie, err := h.SignIn(t.Context(), "li", password, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	h.pass(11 * time.Hour)
	if _, err := h.BySession(t.Context(), cookie); err != nil {
		t.Error(err)
	}
	h.pass(12 * time.Hour)
	_, err = h.BySession(t.Context(), cookie)
	h.wantRefused(err, access.ErrUnknown)

	_, cookie, err = h.SignIn(t.Context(), "li", password, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for range 61 { // busy for more than thirty days
		h.pass(11*time.Hour + 59*time.Minute)
		if _, err = h.BySession(t.Context(), cookie); err != nil {
			break
		}
	}
	h.wantRefused(err, access.ErrUnknown)
}

func TestASessionIsTouchedOnceAMinute(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, cookie, _ := h.SignIn(t.Context(), "li", password, "10.0.0.1")
	for range 100 {
		h.pass(3 * time.Second)
		if _, err := h.BySession(t.Context(), cookie); err != nil {
			t.Fatal(err)
		}
	}
	if h.touches != 5 {
		t.Errorf("%d writes for 100 requests in 5 minutes", h.touches)
	}
}

func TestADisabledAccountIsOutAtOnce(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	_, cookie, _ := h.SignIn(t.Context(), "li", password, "10.0.0.1")
	a := h.accounts["li"]
	a.Disabled = true
	h.accounts["li"] = a
	_, err := h.BySession(t.Context(), cookie)
	h.wantRefused(err, access.ErrUnknown)
	_, _, err = h.SignIn(t.Context(), "li", password, "10.0.0.1")
	h.wantRefused(err, access.ErrRefused)
}

func TestGuessingIsLockedForKnownAndUnknownAlike(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"li", "nobody"} {
		h := newHouse(t)
		for range 10 {
			_, _, err := h.SignIn(t.Context(), name, "wrong password", "10.0.0.1")
			h.wantRefused(err, access.ErrRefused)
		}
		_, _, err := h.SignIn(t.Context(), name, password, "10.0.0.1")
		h.wantLocked(err)
		if name == "li" {
			// A stranger did this; the person at another desk still gets in.
			if _, _, err := h.SignIn(t.Context(), "li", password, "10.0.0.2"); err != nil {
				t.Error(err)
			}
		}
		h.pass(15 * time.Minute)
		if _, _, err := h.SignIn(t.Context(), "li", password, "10.0.0.1"); err != nil {
			t.Error(err)
		}
	}
}

func TestGuessingFromManyAddressesIsLockedByName(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range 50 {
		_, _, err := h.SignIn(t.Context(), "li", "wrong password", fmt.Sprintf("10.0.1.%d", i))
		h.wantRefused(err, access.ErrRefused)
	}
	_, _, err := h.SignIn(t.Context(), "LI", password, "10.0.2.1")
	h.wantLocked(err)
}

func TestGuessingManyNamesIsLockedByAddress(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for i := range 100 {
		_, _, err := h.SignIn(t.Context(), fmt.Sprintf("user%d", i), "wrong password", "10.0.0.1")
		h.wantRefused(err, access.ErrRefused)
	}
	_, _, err := h.SignIn(t.Context(), "li", password, "10.0.0.1")
	h.wantLocked(err)
}

func TestParallelGuessesShareOneLimit(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	var refused, locked atomic.Int32
	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			var l *access.LockedError
			switch _, _, err := h.SignIn(t.Context(), "li", "wrong password", "10.0.0.1"); {
			case errors.Is(err, access.ErrRefused):
				refused.Add(1)
			case errors.As(err, &l):
				locked.Add(1)
			}
		})
	}
	wg.Wait()
	if refused.Load() != 10 || locked.Load() != 20 {
		t.Errorf("%d looked at, %d locked", refused.Load(), locked.Load())
	}
}

func TestASuccessForgivesTypingErrors(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 5 {
		for range 9 {
			_, _, _ = h.SignIn(t.Context(), "li", "wrong password", "10.0.0.1")
		}
		if _, _, err := h.SignIn(t.Context(), "li", password, "10.0.0.1"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingSecretIsLogged(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	for range 12 {
		_, _, _ = h.SignIn(t.Context(), "li-typed-secret", "s3cret-wrong", "10.0.0.1")
	}
	if h.logged.Len() == 0 || strings.Contains(h.logged.String(), "s3cret") || strings.Contains(h.logged.String(), "typed") {
		t.Errorf("log: %s", h.logged.String())
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	secret := access.NewSecret("lst_")
	tok := access.APIToken{ID: "tok1", Hash: access.HashSecret(secret), Role: access.Dispatcher, ExpiresMS: 2_000_000}
	h.tokens[tok.Hash] = tok
	p, err := h.ByToken(t.Context(), secret)
	if err != nil || p.Key() != "token:tok1" || p.Role != access.Dispatcher || !p.Scope.AllEstates {
		t.Errorf("got %+v, %v", p, err)
	}
	for _, wrong := range []string{"", "lst_", secret[:len(secret)-1], tok.Hash} {
		_, err = h.ByToken(t.Context(), wrong)
		h.wantRefused(err, access.ErrUnknown)
	}
	h.nowMS.Store(2_000_000)
	_, err = h.ByToken(t.Context(), secret)
	h.wantRefused(err, access.ErrUnknown)
	tok.ExpiresMS, tok.RevokedMS = 0, 5
	h.tokens[tok.Hash] = tok
	_, err = h.ByToken(t.Context(), secret)
	h.wantRefused(err, access.ErrUnknown)
}

func TestEdgesSignInWithAnyOfTheirCredentials(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	older, newer := access.NewSecret("lse_"), access.NewSecret("lse_")
	h.creds = []access.Credential{
		{Estate: "sunrise", Edge: "sunrise-1", Hash: access.HashSecret(older)},
		{Estate: "sunrise", Edge: "sunrise-1", Hash: access.HashSecret(newer)},
	}
	for _, secret := range []string{older, newer} {
		p, err := h.ByEdge(t.Context(), "sunrise/sunrise-1", secret)
		if err != nil || p.Key() != "edge:sunrise/sunrise-1" {
			t.Errorf("got %+v, %v", p, err)
		}
	}
	for _, c := range [][2]string{
		{"sunrise/sunrise-1", "wrong"},
		{"sunrise/sunrise-2", newer},
		{"other/sunrise-1", newer},
		{"sunrise-1", newer},
		{"", ""},
		{"sunrise/sunrise-1", ""},
	} {
		_, err := h.ByEdge(t.Context(), c[0], c[1])
		h.wantRefused(err, access.ErrUnknown)
	}
}

func TestALinkIsGoodForOneTicketUntilItExpires(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	secret := access.NewSecret("")
	l := access.Link{Hash: access.HashSecret(secret), Estate: "sunrise", Ticket: "t1", Staff: "li-wei", Delivery: "d1", ExpiresMS: 1_500_000}
	h.links[l.Hash] = l
	p, err := h.ByLink(t.Context(), secret)
	if err != nil || p.Staff != "li-wei" {
		t.Fatalf("got %+v, %v", p, err)
	}
	if !access.May(p, access.Act, access.Target{Estate: "sunrise", Ticket: "t1"}) {
		t.Error("its own ticket is refused")
	}
	if access.May(p, access.Act, access.Target{Estate: "sunrise", Ticket: "t2"}) {
		t.Error("another ticket is allowed")
	}
	h.nowMS.Store(1_500_000)
	_, err = h.ByLink(t.Context(), secret)
	h.wantRefused(err, access.ErrUnknown)
}

func TestAContractorSeesOnlyWhatItLooksAfter(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.orgs["li-wei"] = []string{"kind:elevator", "gate-1"}
	p, _, err := h.SignIn(t.Context(), "li", password, "10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		estate, device, kind string
		want                 bool
	}{
		{"sunrise", "lift-1", "elevator", true},
		{"sunrise", "gate-1", "access-gate", true},
		{"sunrise", "gate-2", "access-gate", false},
		{"sunrise", "", "edge", false},
		{"other", "lift-1", "elevator", false},
	} {
		if got := p.Scope.Sees(c.estate, c.device, c.kind); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

func TestPasswordsAreHashedOneWayAndCompared(t *testing.T) {
	t.Parallel()
	p, err := access.NewPasswords(1)
	if err != nil {
		t.Fatal(err)
	}
	hash, err := p.Hash(t.Context(), password)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(hash, "$argon2id$v=19$m=19456,t=2,p=1$") {
		t.Errorf("got %s", hash)
	}
	// The decoy is made with the same cost, so that unknown users take as long.
	if cut := strings.LastIndex(hash, "t=2,p=1$"); !strings.HasPrefix(p.Decoy(), hash[:cut]) || len(p.Decoy()) != len(hash) {
		t.Errorf("decoy %s", p.Decoy())
	}
	for _, c := range []struct {
		password, hash string
		want           bool
	}{{password, hash, true}, {"wrong horse", hash, false}, {password, "", false}, {strings.Repeat("x", 5000), hash, false}} {
		if got, err := p.Match(t.Context(), c.password, c.hash); err != nil || got != c.want {
			t.Errorf("%.20s against %.10s: %v, %v", c.password, c.hash, got, err)
		}
	}
	for _, bad := range []string{"", "seven77", strings.Repeat("x", 1025)} {
		if _, err := p.Hash(t.Context(), bad); err == nil {
			t.Errorf("%.10q was accepted", bad)
		}
	}
}

func TestAFloodOfSignInsIsBounded(t *testing.T) {
	t.Parallel()
	p, err := access.NewQuickPasswords(1)
	if err != nil {
		t.Fatal(err)
	}
	release := p.Occupy()
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range cap(p.Waiting()) {
		wg.Go(func() { _, _ = p.Match(ctx, password, "") })
	}
	for len(p.Waiting()) < cap(p.Waiting()) {
		select {
		case <-t.Context().Done():
			t.Fatal("they never queued")
		default:
		}
	}
	if _, err := p.Match(t.Context(), password, ""); !errors.Is(err, access.ErrBusy) {
		t.Errorf("want busy, got %v", err)
	}
	cancel()
	wg.Wait()
	release()
	if _, err := p.Match(t.Context(), password, ""); err != nil {
		t.Error(err)
	}
}
