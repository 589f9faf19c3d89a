package db

import "github.com/linshao/linshao/protocol/kit/chaos"

// concern is the weightiest thing that a transaction writes. A chaos build dies
// at the commit of a page or of a ticket by this, and not only at the first
// commit that happens to come.
type concern int

// The concerns, the weightiest last.
const (
	agendaConcern concern = iota + 1
	linkConcern
	helloConcern
	ledgerConcern
	deliveryConcern
	ticketConcern
)

func (tx *Tx) concerns(c concern) { tx.concern = max(tx.concern, c) }

func (c concern) beforeCommit() {
	switch c {
	case agendaConcern:
		chaos.At("agenda.commit.before")
	case linkConcern:
		chaos.At("link.commit.before")
	case helloConcern:
		chaos.At("hello.commit.before")
	case ledgerConcern:
		chaos.At("ledger.commit.before")
	case deliveryConcern:
		chaos.At("delivery.commit.before")
	case ticketConcern:
		chaos.At("ticket.commit.before")
	}
}

func (c concern) afterCommit() {
	switch c {
	case agendaConcern:
		chaos.At("agenda.commit.after")
	case linkConcern:
		chaos.At("link.commit.after")
	case helloConcern:
		chaos.At("hello.commit.after")
	case ledgerConcern:
		chaos.At("ledger.commit.after")
	case deliveryConcern:
		chaos.At("delivery.commit.after")
	case ticketConcern:
		chaos.At("ticket.commit.after")
	}
}
