package access

import "github.com/alexedwards/argon2id"

// NewQuickPasswords hashes in microseconds, for tests about anything else.
func NewQuickPasswords(atOnce int) (*Passwords, error) {
	return newPasswords(atOnce, argon2id.Params{Memory: 8, Iterations: 1, Parallelism: 1, SaltLength: 16, KeyLength: 32})
}

// Decoy is what an unknown user's password is compared with.
func (p *Passwords) Decoy() string { return p.decoy }

// Occupy takes all slots until release is called.
func (p *Passwords) Occupy() (release func()) {
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	return func() {
		for range cap(p.slots) {
			<-p.slots
		}
	}
}

// Waiting is how many may queue for a slot.
func (p *Passwords) Waiting() chan struct{} { return p.waiting }
