// Package password checks the passwords of machines: devices and bridges that
// sign in again and again, sometimes hundreds at once after a power cut. What
// is stored is the password itself or its argon2id hash ($argon2id$…).
//
// A right password is remembered as a keyed digest for the life of the process,
// so that only the first sign-in pays for the hash; wrong ones always pay, a
// few at a time, so that guessing cannot take the machine's memory.
package password

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"strings"
	"sync"

	"github.com/alexedwards/argon2id"
)

const (
	hashed = "$argon2id$"
	// maxMemoryKiB and maxIterations bound what a hash in a file may ask for.
	maxMemoryKiB  = 64 << 10
	maxIterations = 16
	// maxRemembered bounds the digests kept.
	maxRemembered = 10_000
)

// Checker compares passwords. It is safe for concurrent use.
type Checker struct {
	key [32]byte
	// hashing has one place per argon2id computation at a time.
	hashing chan struct{}

	mu sync.Mutex
	// right holds digests of (stored, given) that matched.
	right map[[32]byte]struct{}
}

// New returns a Checker that computes at most parallel hashes at once.
func New(parallel int) *Checker {
	c := &Checker{hashing: make(chan struct{}, parallel), right: map[[32]byte]struct{}{}}
	_, _ = rand.Read(c.key[:]) // never fails: crypto/rand
	return c
}

// Valid reports what is wrong with a stored password, nil if nothing.
func Valid(stored string) error {
	switch {
	case stored == "":
		return fmt.Errorf("the password is empty")
	case !strings.HasPrefix(stored, hashed):
		return nil
	}
	p, _, _, err := argon2id.DecodeHash(stored)
	if err != nil {
		return fmt.Errorf("not an argon2id hash: %w", err)
	}
	if p.Memory > maxMemoryKiB || p.Iterations > maxIterations {
		return fmt.Errorf("argon2id hash asks for more than %d KiB or %d iterations", maxMemoryKiB, maxIterations)
	}
	return nil
}

// Matches reports whether given is the stored password. It waits for its turn
// when many hashes are being computed, and returns an error if ctx ends first
// or stored is not Valid.
func (c *Checker) Matches(ctx context.Context, stored string, given []byte) (bool, error) {
	if err := Valid(stored); err != nil {
		return false, err
	}
	digest := c.digest(stored, given)
	if !strings.HasPrefix(stored, hashed) {
		same := c.digest(stored, []byte(stored))
		return subtle.ConstantTimeCompare(digest[:], same[:]) == 1, nil
	}
	if c.remembered(digest) {
		return true, nil
	}
	select {
	case c.hashing <- struct{}{}:
		defer func() { <-c.hashing }()
	case <-ctx.Done():
		return false, context.Cause(ctx)
	}
	ok, err := argon2id.ComparePasswordAndHash(string(given), stored)
	if err != nil {
		return false, fmt.Errorf("compare password: %w", err)
	}
	if ok {
		c.remember(digest)
	}
	return ok, nil
}

func (c *Checker) digest(stored string, given []byte) (d [32]byte) {
	m := hmac.New(sha256.New, c.key[:])
	fmt.Fprintf(m, "%d:%s", len(stored), stored)
	m.Write(given)
	m.Sum(d[:0])
	return d
}

func (c *Checker) remembered(d [32]byte) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.right[d]
	return ok
}

func (c *Checker) remember(d [32]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.right) >= maxRemembered {
		clear(c.right)
	}
	c.right[d] = struct{}{}
}
