// Package chaos marks the places where a daemon may die. Durable code calls At
// before and after everything that another process or the disk can see: a
// write, a sync, a rename, a publish, a Receipt, a commit, a delivery.
//
// In a normal build At does nothing and Broken is false; the compiler removes
// both. Built with the tag "chaos", environment variables choose what happens:
//
//	CHAOS_POINT  the point to die at
//	CHAOS_HIT    which pass of it is the last, from 1 (default)
//	CHAOS_HOW    kill (default: as by kill -9), panic, stop (SIGSTOP), or late:
//	             killed while it waits there, so that what others said before
//	             gets out
//	CHAOS_TRACE  a file to which each point's name is appended when first passed
//	CHAOS_BREAK  Breaks, separated by commas
//
// A point's name is a string literal "part.action.before" or ".after", written
// once, so that the harness finds all of them by reading the source.
package chaos

// Break is a promise that a chaos build can be told to break, to prove that the
// harness notices.
type Break string

// The Breaks.
const (
	// PubackBeforeSync: the edge acknowledges a device before the group commit.
	PubackBeforeSync Break = "puback-before-sync"
	// SettleOnPuback: the edge forgets a Record once a broker has it.
	SettleOnPuback Break = "settle-on-puback"
	// SyncErrorIgnored: the edge goes on in a segment whose fsync failed.
	SyncErrorIgnored Break = "sync-error-ignored"
	// ReceiptBeforeCommit: the cloud sends Receipts for what it has not stored.
	ReceiptBeforeCommit Break = "receipt-before-commit"
	// LedgerSkipped: the cloud takes each Envelope as new.
	LedgerSkipped Break = "ledger-skipped"
	// PageBeforeCommit: the cloud pages before the delivery is on disk.
	PageBeforeCommit Break = "page-before-commit"
)

// Breaks are all of them.
func Breaks() []Break {
	return []Break{PubackBeforeSync, SettleOnPuback, SyncErrorIgnored, ReceiptBeforeCommit, LedgerSkipped, PageBeforeCommit}
}
