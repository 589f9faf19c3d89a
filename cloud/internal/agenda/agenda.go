// Package agenda does things when they are due: escalation steps, deliveries,
// retries. One table holds timers and deliveries alike; an Item is put there
// (or cancelled) in the transaction of the change that causes it, so that a
// step is neither missed nor repeated by a crash.
//
// What it guarantees: an Item is worked on from the instant it is due (woken
// in-process after the commit; other collectors see it within Options.Poll), by
// one holder at a time, at least once, until its Job reports success. A holder
// that dies, hangs or is paused loses its lease and another takes over; because
// every settlement names the lease, what the first one then still tries to
// write is refused with ErrLeaseLost. A Job that settles its Item in the
// transaction of its own effects therefore has exactly one effect.
//
// What it does not: an effect outside the database (a page sent) may happen
// twice when the holder dies between the effect and its settlement. Such
// effects carry an idempotency key.
//
// The table's index is the heap of due times: the Runner only ever remembers
// the next instant, so that there is no second copy which could be wrong.
package agenda

import (
	"context"
	"errors"
)

// ErrLeaseLost means that the Item was taken over, put anew or cancelled:
// whatever the caller was about to write must not be written.
var ErrLeaseLost = errors.New("lease lost")

// Item is something to be done at an instant.
type Item struct {
	Estate string
	// Kind chooses the Job.
	Kind string
	// Key is unique within the estate: putting it again replaces the Item.
	Key     string
	RunAtMS int64
	// Urgent Items are taken before all others, however long those wait: a
	// passenger is not queued behind ten thousand low batteries.
	Urgent  bool
	Payload []byte
}

// Work is an Item under a lease.
type Work struct {
	Item
	// Attempt counts from 1; a take-over counts too.
	Attempt int
	// Lease is the fencing token; it differs for every claim.
	Lease string
}

// Claim asks for due Items.
type Claim struct {
	NowMS, LeaseUntilMS int64
	Limit               int
	// UrgentOnly leaves all but urgent Items to others.
	UrgentOnly bool
}

// Store is the table, shared by all collectors. All methods are safe for
// concurrent use and durable on return.
type Store interface {
	// Claim leases up to Limit Items whose time has come and whose lease, if
	// they had one, has run out: urgent first, then by due time. No Item is
	// ever claimed by two callers at once.
	Claim(ctx context.Context, c Claim) ([]Work, error)
	// NextDue returns the earliest instant at which Claim will find something,
	// false if nothing is waiting.
	NextDue(ctx context.Context, urgentOnly bool) (ms int64, ok bool, err error)
	// Renew, Finish and Retry return ErrLeaseLost if w's lease is not the
	// Item's any more.
	Renew(ctx context.Context, w Work, leaseUntilMS int64) error
	Finish(ctx context.Context, w Work) error
	Retry(ctx context.Context, w Work, runAtMS int64) error
}

// Job does one kind of work. It returns nil when the Item is done with: either
// it has settled the Item itself, inside the transaction of its effects (the
// only way to have them exactly once), or it leaves that to the Runner. On an
// error the Item comes back after the back-off. ctx ends when the lease is
// lost or the Runner stops; a Job returns soon after.
type Job func(ctx context.Context, w Work) error

// RetryAfterMS is the back-off after the given attempt: 1 s, 2 s, 4 s, at most
// 30 s. It has no jitter: Items fail each for their own reasons, and a page
// that is late by a random amount can't be explained to anybody.
func RetryAfterMS(attempt int) int64 {
	const first, most int64 = 1000, 30_000
	if attempt > 5 {
		return most
	}
	return min(first<<max(attempt-1, 0), most)
}
