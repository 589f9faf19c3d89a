// Package audit keeps the record of who did what beyond doubt: one append-only
// hash chain per subject (a ticket, or the accounts of an estate).
//
// Each Entry carries the hash of the one before it and a digest of what it
// vouches for, and the chain's Head is kept apart from the entries, so that an
// edit, a deletion, a swap and a cut-off end are all found, and Verify names
// the place. The chain holds ids and digests only: personal data stands behind
// staff ids and can be deleted without breaking it.
//
// It does not guard against somebody who may rewrite entries and Head
// together: for that, Heads are copied to where that person has no hand.
//
// The maths is pure; Append stores through the caller's transaction, so that
// an effect and its entry are kept or lost together.
package audit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"

	"github.com/linshao/linshao/protocol/kit/chaos"
)

// Entry is one link. N counts from 1 within (Estate, Chain).
type Entry struct {
	Estate string `json:"estate"`
	// Chain names what the entries are about: a ticket id, or "access".
	Chain string `json:"chain"`
	N     int64  `json:"n"`
	AtMS  int64  `json:"at_ms"`
	// Ref is the id of what is vouched for, such as a Transition's.
	Ref    string `json:"ref"`
	Kind   string `json:"kind"`
	ByKind string `json:"by_kind"`
	By     string `json:"by,omitempty"`
	// Digest is Digest(the bytes that Ref names).
	Digest string `json:"digest"`
	Prev   string `json:"prev"`
	Hash   string `json:"hash"`
}

// Head is the end of a chain; the zero Head is the end of an empty one.
type Head struct {
	N    int64
	Hash string
}

// BrokenError names the first place where a chain does not hold.
type BrokenError struct {
	Estate, Chain string
	// N is the entry's number, counted by its place in the chain.
	N   int64
	Why string
}

func (e *BrokenError) Error() string {
	return fmt.Sprintf("audit chain %s/%s is broken at entry %d: %s", e.Estate, e.Chain, e.N, e.Why)
}

// Digest is the fingerprint under which a chain vouches for doc.
func Digest(doc []byte) string {
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:])
}

// Next links e behind head: it sets N, Prev and Hash.
func Next(head Head, e Entry) Entry {
	e.N, e.Prev = head.N+1, head.Hash
	e.Hash = e.sum()
	return e
}

// Head returns the head of a chain that ends with e.
func (e Entry) Head() Head { return Head{N: e.N, Hash: e.Hash} }

// sum hashes every field but Hash itself. Each is written with its length, so
// that no two different entries give the same bytes.
func (e Entry) sum() string {
	h := sha256.New()
	for _, s := range []string{"linshao audit 1", e.Estate, e.Chain, e.Ref, e.Kind, e.ByKind, e.By, e.Digest, e.Prev} {
		writeString(h, s)
	}
	writeInt(h, e.N)
	writeInt(h, e.AtMS)
	return hex.EncodeToString(h.Sum(nil))
}

func writeString(h hash.Hash, s string) {
	writeInt(h, int64(len(s)))
	h.Write([]byte(s))
}

func writeInt(h hash.Hash, n int64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(n))
	h.Write(b[:])
}

// Verify checks a whole chain, in order, against its Head. The error is a
// *BrokenError with the first bad place.
func Verify(chain []Entry, head Head) error {
	var at Head
	for i, e := range chain {
		broken := func(why string) error {
			return &BrokenError{Estate: e.Estate, Chain: e.Chain, N: int64(i) + 1, Why: why}
		}
		switch {
		case e.N != at.N+1:
			return broken(fmt.Sprintf("it carries number %d", e.N))
		case e.Prev != at.Hash:
			return broken("it does not follow the entry before it")
		case e.Hash != e.sum():
			return broken("its content was changed")
		case e.Estate != chain[0].Estate || e.Chain != chain[0].Chain:
			return broken("it belongs to another chain")
		}
		at = e.Head()
	}
	if at != head {
		b := &BrokenError{N: at.N + 1, Why: fmt.Sprintf("the chain ends at %d, its head says %d", at.N, head.N)}
		if len(chain) > 0 {
			b.Estate, b.Chain = chain[0].Estate, chain[0].Chain
		}
		return b
	}
	return nil
}

// VerifyDocs checks that what a verified chain vouches for is still what was
// vouched for. doc returns the present bytes of a Ref, nil if they are gone.
func VerifyDocs(chain []Entry, doc func(ref string) []byte) error {
	for _, e := range chain {
		b := doc(e.Ref)
		if b == nil {
			return &BrokenError{Estate: e.Estate, Chain: e.Chain, N: e.N, Why: "what it vouches for is gone: " + e.Ref}
		}
		if Digest(b) != e.Digest {
			return &BrokenError{Estate: e.Estate, Chain: e.Chain, N: e.N, Why: "what it vouches for was changed: " + e.Ref}
		}
	}
	return nil
}

// Tx is what Append needs of a transaction. The caller's transaction must
// hold whatever lock keeps others from appending to the same chain.
type Tx interface {
	// AuditHead returns the zero Head for a chain that does not exist yet.
	AuditHead(ctx context.Context, estate, chain string) (Head, error)
	// SaveAudit stores the entry and makes it the head.
	SaveAudit(ctx context.Context, e Entry) error
}

// Append links e to the end of its chain and stores it.
func Append(ctx context.Context, tx Tx, e Entry) error {
	head, err := tx.AuditHead(ctx, e.Estate, e.Chain)
	if err != nil {
		return fmt.Errorf("read audit head of %s: %w", e.Chain, err)
	}
	chaos.At("audit.append.before")
	if err := tx.SaveAudit(ctx, Next(head, e)); err != nil {
		return fmt.Errorf("append to audit chain %s: %w", e.Chain, err)
	}
	chaos.At("audit.append.after")
	return nil
}
