package access

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
)

// NewSecret returns 32 random bytes behind a readable prefix ("lst_" for
// tokens), which lets secret scanners find leaked ones.
func NewSecret(prefix string) string {
	var b [32]byte
	rand.Read(b[:]) // never fails; it ends the process instead
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

// HashSecret is the form in which a secret made by NewSecret is stored. A
// plain hash is enough: 256 random bits can't be guessed from it.
func HashSecret(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// SameHash compares two stored hashes in constant time.
func SameHash(a, b string) bool {
	return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}

// matchAny reports whether hash is one of stored, looking at all of them.
func matchAny(hash string, stored []string) bool {
	found := false
	for _, s := range stored {
		found = SameHash(hash, s) || found
	}
	return found
}
