package access

import (
	"context"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/alexedwards/argon2id"
)

// The bounds of a password, in characters and bytes. There is no rule about
// kinds of characters (ASVS 5.0 6.2).
const (
	minPasswordRunes = 8
	maxPasswordBytes = 1024
)

// ErrBusy means that too many sign-ins are being checked at once.
var ErrBusy = errors.New("too many sign-ins at once, try again in a moment")

// Passwords makes and checks argon2id hashes, a bounded number at once: each
// takes 19 MiB and tens of milliseconds, and a flood of sign-ins must not
// take the collector's memory.
type Passwords struct {
	params argon2id.Params
	// slots holds one token per hash that may be computed now; waiting bounds
	// those in the queue for them.
	slots, waiting chan struct{}
	// decoy is compared with when there is no such user.
	decoy string
}

// NewPasswords returns the checker with OWASP's parameters (19 MiB, two
// passes, one lane), atOnce hashes in parallel.
func NewPasswords(atOnce int) (*Passwords, error) {
	return newPasswords(atOnce, argon2id.Params{Memory: 19 * 1024, Iterations: 2, Parallelism: 1, SaltLength: 16, KeyLength: 32})
}

func newPasswords(atOnce int, params argon2id.Params) (*Passwords, error) {
	atOnce = max(atOnce, 1)
	p := &Passwords{params: params, slots: make(chan struct{}, atOnce), waiting: make(chan struct{}, 16*atOnce)}
	decoy, err := argon2id.CreateHash(NewSecret(""), &p.params)
	if err != nil {
		return nil, fmt.Errorf("hash the decoy password: %w", err)
	}
	p.decoy = decoy
	return p, nil
}

// Hash checks that password is acceptable and returns its hash.
func (p *Passwords) Hash(ctx context.Context, password string) (string, error) {
	if n := utf8.RuneCountInString(password); n < minPasswordRunes || len(password) > maxPasswordBytes {
		return "", fmt.Errorf("a password has at least %d characters and at most %d bytes", minPasswordRunes, maxPasswordBytes)
	}
	release, err := p.slot(ctx)
	if err != nil {
		return "", err
	}
	defer release()
	h, err := argon2id.CreateHash(password, &p.params)
	if err != nil {
		return "", fmt.Errorf("hash password: %w", err)
	}
	return h, nil
}

// Match compares password with hash; an empty hash (there is no such user)
// costs the same and never matches.
func (p *Passwords) Match(ctx context.Context, password, hash string) (bool, error) {
	if len(password) > maxPasswordBytes {
		password = ""
	}
	known := hash != ""
	if !known {
		hash = p.decoy
	}
	release, err := p.slot(ctx)
	if err != nil {
		return false, err
	}
	defer release()
	same, err := argon2id.ComparePasswordAndHash(password, hash)
	if err != nil {
		return false, fmt.Errorf("compare password: %w", err)
	}
	return same && known, nil
}

func (p *Passwords) slot(ctx context.Context) (release func(), err error) {
	select {
	case p.waiting <- struct{}{}:
	default:
		return nil, ErrBusy
	}
	defer func() { <-p.waiting }()
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	case <-ctx.Done():
		return nil, fmt.Errorf("wait for a free password check: %w", context.Cause(ctx))
	}
}
