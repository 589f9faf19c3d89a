package access

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"
)

// Errors that callers turn into answers. None says which part was wrong.
var (
	ErrRefused = errors.New("wrong name or password")
	ErrUnknown = errors.New("unknown, expired or revoked credential")
)

// LockedError means that guessing was stopped.
type LockedError struct{ RetryAfter time.Duration }

func (e *LockedError) Error() string {
	return fmt.Sprintf("too many tries, locked for up to %s", e.RetryAfter)
}

// Limits of guessing, within tryWindow. A name alone has a wider limit than a
// name from one address, so that a stranger can't easily lock the desk out.
const (
	tryWindow   = 15 * time.Minute
	triesHere   = 10
	triesByName = 50
	triesByAddr = 100
)

// Lifetimes of a session.
const (
	sessionIdle  = 12 * time.Hour
	sessionLong  = 30 * 24 * time.Hour
	touchEveryMS = 60_000
)

// Door turns secrets into Principals.
type Door struct {
	store     Store
	passwords *Passwords
	nowMS     func() int64
	log       *slog.Logger
}

// NewDoor returns a Door; nowMS is the wall clock in Unix milliseconds.
func NewDoor(store Store, passwords *Passwords, nowMS func() int64, log *slog.Logger) *Door {
	return &Door{store: store, passwords: passwords, nowMS: nowMS, log: log.With("component", "access")}
}

// SignIn checks a password and begins a session; the cookie's value is always
// a fresh one, so that none can be planted beforehand. addr is the caller's
// address without port.
func (d *Door) SignIn(ctx context.Context, name, password, addr string) (Principal, string, error) {
	now := d.nowMS()
	if err := d.countTry(ctx, name, addr, now); err != nil {
		return Principal{}, "", err
	}
	acct, known, err := d.store.Account(ctx, name)
	if err != nil {
		return Principal{}, "", fmt.Errorf("read account: %w", err)
	}
	hash := acct.PasswordHash
	if !known || acct.Disabled {
		hash = ""
	}
	same, err := d.passwords.Match(ctx, password, hash)
	if err != nil {
		return Principal{}, "", err
	}
	if !same {
		d.log.Info("sign-in refused", "addr", addr)
		return Principal{}, "", ErrRefused
	}
	if err := d.store.ForgetTries(ctx, tryKeys(name, addr)[:2]); err != nil {
		return Principal{}, "", fmt.Errorf("forget tries: %w", err)
	}
	return d.begin(ctx, acct, now)
}

func (d *Door) begin(ctx context.Context, acct Account, now int64) (Principal, string, error) {
	cookie := NewSecret("lss_")
	s := Session{
		Hash: HashSecret(cookie), Account: acct.Name, CreatedMS: now, SeenMS: now,
		ExpiresMS: now + sessionLong.Milliseconds(),
	}
	if err := d.store.SaveSession(ctx, s); err != nil {
		return Principal{}, "", fmt.Errorf("save session: %w", err)
	}
	p, err := d.user(ctx, acct)
	return p, cookie, err
}

// tryKeys returns what a try counts against: (name, address), name, address.
// Names are hashed: people type passwords into the name field.
func tryKeys(name, addr string) []string {
	n := HashSecret("name:" + strings.ToLower(name))
	return []string{"here:" + HashSecret(n+addr), "name:" + n, "addr:" + addr}
}

// countTry counts before the password is looked at, so that parallel guesses
// can't all pass a limit they would reach together.
func (d *Door) countTry(ctx context.Context, name, addr string, now int64) error {
	counts, err := d.store.CountTry(ctx, tryKeys(name, addr), now, tryWindow.Milliseconds())
	if err != nil {
		return fmt.Errorf("count try: %w", err)
	}
	if counts[0] > triesHere || counts[1] > triesByName || counts[2] > triesByAddr {
		d.log.Warn("sign-in locked", "addr", addr)
		return &LockedError{RetryAfter: tryWindow}
	}
	return nil
}

func (d *Door) user(ctx context.Context, a Account) (Principal, error) {
	p := Principal{Kind: User, ID: a.Name, Role: a.Role, Staff: a.Staff, Scope: scopeOf(a.Estates)}
	if a.Staff == "" {
		return p, nil
	}
	devices, limited, err := d.store.LooksAfter(ctx, a.Estates, a.Staff)
	if err != nil {
		return Principal{}, fmt.Errorf("read what %s looks after: %w", a.Name, err)
	}
	if limited {
		p.Scope = p.Scope.LimitTo(devices)
	}
	return p, nil
}

func scopeOf(estates []string) Scope {
	return Scope{AllEstates: len(estates) == 0, Estates: estates}
}

// BySession returns who holds a session cookie.
func (d *Door) BySession(ctx context.Context, cookie string) (Principal, error) {
	now := d.nowMS()
	hash := HashSecret(cookie)
	s, ok, err := d.store.Session(ctx, hash)
	if err != nil {
		return Principal{}, fmt.Errorf("read session: %w", err)
	}
	if !ok || !SameHash(s.Hash, hash) || now >= s.ExpiresMS || now >= s.SeenMS+sessionIdle.Milliseconds() {
		return Principal{}, ErrUnknown
	}
	a, ok, err := d.store.Account(ctx, s.Account)
	if err != nil {
		return Principal{}, fmt.Errorf("read account: %w", err)
	}
	if !ok || a.Disabled {
		return Principal{}, ErrUnknown
	}
	if now >= s.SeenMS+touchEveryMS {
		if err := d.store.TouchSession(ctx, hash, now); err != nil {
			return Principal{}, fmt.Errorf("touch session: %w", err)
		}
	}
	return d.user(ctx, a)
}

// SignOut ends a session; an unknown one is no error.
func (d *Door) SignOut(ctx context.Context, cookie string) error {
	if err := d.store.DropSession(ctx, HashSecret(cookie)); err != nil {
		return fmt.Errorf("drop session: %w", err)
	}
	return nil
}

// ByToken returns who holds an API token.
func (d *Door) ByToken(ctx context.Context, secret string) (Principal, error) {
	hash := HashSecret(secret)
	t, ok, err := d.store.Token(ctx, hash)
	if err != nil {
		return Principal{}, fmt.Errorf("read token: %w", err)
	}
	if !ok || !SameHash(t.Hash, hash) || t.RevokedMS != 0 || t.ExpiresMS != 0 && d.nowMS() >= t.ExpiresMS {
		return Principal{}, ErrUnknown
	}
	return Principal{Kind: Token, ID: t.ID, Role: t.Role, Scope: scopeOf(t.Estates)}, nil
}

// ByEdge checks an uplink sign-in; username is "estate/edge".
func (d *Door) ByEdge(ctx context.Context, username, secret string) (Principal, error) {
	estate, edge, ok := strings.Cut(username, "/")
	if !ok {
		estate, edge = "", ""
	}
	creds, err := d.store.Credentials(ctx, estate, edge)
	if err != nil {
		return Principal{}, fmt.Errorf("read edge credentials: %w", err)
	}
	stored := make([]string, 0, len(creds))
	for _, c := range creds {
		stored = append(stored, c.Hash)
	}
	if !matchAny(HashSecret(secret), stored) {
		return Principal{}, ErrUnknown
	}
	return Principal{Kind: EdgeBox, ID: username, Scope: Scope{Estates: []string{estate}}}, nil
}

// ByLink returns the principal behind an acknowledge link.
func (d *Door) ByLink(ctx context.Context, secret string) (Principal, error) {
	hash := HashSecret(secret)
	l, ok, err := d.store.Link(ctx, hash)
	if err != nil {
		return Principal{}, fmt.Errorf("read link: %w", err)
	}
	if !ok || !SameHash(l.Hash, hash) || d.nowMS() >= l.ExpiresMS {
		return Principal{}, ErrUnknown
	}
	return Principal{
		Kind: LinkKind, ID: l.Delivery, Staff: l.Staff, Ticket: l.Ticket, Scope: Scope{Estates: []string{l.Estate}},
	}, nil
}
