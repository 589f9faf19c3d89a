// Package triage turns what detectors found into what people must see: one
// condition, one ticket.
//
// A Finding that begins raises a ticket, or counts as an occurrence of the
// unresolved one of the same key; one that ends clears it. A condition that
// flaps is told at most once per quiet time; what was not told is counted. A
// Finding that is told again after a crash (same key, same instant) is taken
// once. Under maintenance ordinary faults are raised as warnings, and raised
// again in full if they are still there when it ends.
//
// Entrapment, duress and overtravel (ticket.Fault.LifeSafety) can't be muted,
// folded away or delayed by any of this: their first word and every change of
// their condition is told at once, in full.
//
// The state is the fold of the Transitions that were made here or came from
// the cloud. Apply on each of them, in any order and with copies, rebuilds
// it; Snapshot and Restore shorten the way. Memory is bounded: one episode
// per key, forgotten when it is closed and its condition is over.
//
// The package is pure: no clock, no I/O, no logger. Nothing in it is safe for
// concurrent use.
package triage

import (
	"time"

	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// Finding is a detector's word that the condition of Subject began or ended.
type Finding struct {
	// Subject is what a ticket about it would say; its Key is the condition's
	// identity.
	Subject ticket.Subject
	Active  bool
	// Event: something happened, as opposed to something lasting. Each one
	// counts, also while the condition is active.
	Event    bool
	AtMS     int64
	Evidence []ticket.Evidence
}

// Config is what Triage needs to know once.
type Config struct {
	Estate, Edge string
	// Quiet is the shortest time between two tellings that the same condition
	// is back.
	Quiet time.Duration
	// Mint makes the ids of tickets and Transitions: ticket.NewID outside of
	// tests.
	Mint func(now time.Time) ticket.ID
}

// maxAheadMS is how far ahead of the edge's clock a stamp of the cloud is
// followed.
const maxAheadMS = 60 * 60 * 1000

// Triage is the ticket state of one edge. One goroutine owns it.
type Triage struct {
	cfg   Config
	stamp ticket.Stamp
	// episodes holds the newest ticket of each key, names finds it by its id
	// and its aliases. Both always tell of the same episodes.
	episodes map[ticket.Key]*episode
	names    map[ticket.ID]*episode
	taken    taken
	// maintained are the devices somebody works on.
	maintained map[string]bool
}

// New returns a Triage that knows of no ticket.
func New(cfg Config) *Triage {
	return &Triage{
		cfg:        cfg,
		stamp:      ticket.Stamp{Origin: cfg.Estate + "/" + cfg.Edge},
		episodes:   map[ticket.Key]*episode{},
		names:      map[ticket.ID]*episode{},
		maintained: map[string]bool{},
	}
}

// Judge takes one Finding and appends the Transitions that follow to dst.
func (t *Triage) Judge(dst []ticket.Transition, f Finding, now telemetry.Origin) []ticket.Transition {
	e := t.episodes[f.Subject.Key()]
	if !f.Active {
		return t.end(dst, e, f, now)
	}
	if (f.Event || !f.Subject.Fault.LifeSafety()) && !t.taken.add(f.Subject.Key(), f.AtMS) {
		return dst
	}
	if e == nil || !e.ticket.State.Unresolved() {
		return t.raise(dst, f, now)
	}
	return t.recur(dst, e, f, now)
}

func (t *Triage) raise(dst []ticket.Transition, f Finding, now telemetry.Origin) []ticket.Transition {
	s := f.Subject
	if old := t.episodes[s.Key()]; old != nil && old.ticket.Condition == ticket.Active {
		// People were done with it while it lasted; from now on the new
		// ticket tells how it goes.
		dst = t.clear(dst, old, f.AtMS, nil, "superseded", now)
	}
	if t.maintained[s.Device] && !s.Fault.LifeSafety() {
		s = downgrade(s)
	}
	x := t.transition(t.cfg.Mint(time.UnixMilli(now.EdgeMS)), ticket.Raise, f.AtMS, now)
	x.By = ticket.Actor{Kind: ticket.ByRule, ID: s.Rule}
	x.Subject, x.Evidence = &s, f.Evidence
	return t.tell(dst, x, now)
}

// recur: the condition of an unresolved ticket is back, or an event happened
// once more.
func (t *Triage) recur(dst []ticket.Transition, e *episode, f Finding, now telemetry.Origin) []ticket.Transition {
	if e.active && !f.Event {
		return dst
	}
	e.active = true
	e.hushed++
	e.hushedAtMS, e.hushedEvidence = f.AtMS, f.Evidence
	news := e.ticket.Fault.LifeSafety() && e.ticket.Condition == ticket.Cleared
	if news || t.rested(e, now) {
		return t.occur(dst, e, now)
	}
	return dst
}

// rested reports whether the quiet time since the last telling is over. What
// was told before this start counts as long ago.
func (t *Triage) rested(e *episode, now telemetry.Origin) bool {
	return !e.told || now.MonoMS-e.toldMS >= t.cfg.Quiet.Milliseconds()
}

// occur tells all that was hushed as one occurrence.
func (t *Triage) occur(dst []ticket.Transition, e *episode, now telemetry.Origin) []ticket.Transition {
	x := t.transition(e.ticket.ID, ticket.Occur, e.hushedAtMS, now)
	x.By = ticket.Actor{Kind: ticket.ByRule, ID: e.ticket.Rule}
	x.Evidence = e.hushedEvidence
	if e.hushed > 1 {
		x.Reason = flapping(e.hushed)
	}
	return t.tell(dst, x, now)
}

func (t *Triage) end(dst []ticket.Transition, e *episode, f Finding, now telemetry.Origin) []ticket.Transition {
	if e == nil || !e.active {
		return dst
	}
	e.active = false
	if e.ticket.Condition != ticket.Active {
		return dst
	}
	return t.clear(dst, e, f.AtMS, f.Evidence, "", now)
}

func (t *Triage) clear(dst []ticket.Transition, e *episode, atMS int64, ev []ticket.Evidence, reason string, now telemetry.Origin) []ticket.Transition {
	x := t.transition(e.ticket.ID, ticket.Clear, atMS, now)
	x.By = ticket.Actor{Kind: ticket.ByRule, ID: e.ticket.Rule}
	x.Evidence, x.Reason = ev, reason
	return t.tell(dst, x, now)
}

// Drop ends the condition of a key that nobody judges any more, such as one
// whose rule was taken out of the file. Reason is a code.
func (t *Triage) Drop(dst []ticket.Transition, k ticket.Key, reason string, now telemetry.Origin) []ticket.Transition {
	e := t.episodes[k]
	if e == nil || !e.active {
		return dst
	}
	e.active = false
	return t.clear(dst, e, now.EdgeMS, nil, reason, now)
}

// Tick tells what was hushed once its quiet time is over and it still lasts.
// If people were done meanwhile, they did not know: a new ticket tells them.
func (t *Triage) Tick(dst []ticket.Transition, now telemetry.Origin) []ticket.Transition {
	for _, e := range t.sorted() {
		if !e.active || e.hushed == 0 {
			continue
		}
		switch {
		case e.ticket.State.Unresolved():
			if t.rested(e, now) {
				dst = t.occur(dst, e, now)
			}
		case e.ticket.Condition == ticket.Cleared:
			s, _ := upgrade(e.ticket.Subject)
			dst = t.raise(dst, Finding{Subject: s, AtMS: e.hushedAtMS, Evidence: e.hushedEvidence}, now)
		}
	}
	return dst
}

// transition begins a Transition of this edge.
func (t *Triage) transition(id ticket.ID, k ticket.Kind, atMS int64, now telemetry.Origin) ticket.Transition {
	t.stamp = t.stamp.Next(t.believedMS(now))
	return ticket.Transition{
		ID:     string(t.cfg.Mint(time.UnixMilli(now.EdgeMS))),
		Ticket: id, Kind: k, Stamp: t.stamp, AtMS: atMS,
		Origin: &ticket.OriginRef{Boot: now.Boot, MonoMS: now.MonoMS, EdgeMS: now.EdgeMS, ClockTrusted: now.ClockTrusted},
	}
}

// believedMS is what the hybrid logical clock follows: a wall clock that may be
// anything must not drag it along, or what people decide in the cloud would
// for years count as having come before.
func (t *Triage) believedMS(now telemetry.Origin) int64 {
	if ms, believed := now.BelievedMS(); believed {
		return ms
	}
	return min(now.EdgeMS, t.stamp.WallMS)
}

// tell applies a Transition made here and appends it to dst.
func (t *Triage) tell(dst []ticket.Transition, x ticket.Transition, now telemetry.Origin) []ticket.Transition {
	t.apply(x)
	if e := t.names[x.Ticket]; e != nil && (x.Kind == ticket.Raise || x.Kind == ticket.Occur) {
		e.told, e.toldMS = true, now.MonoMS
		e.hushed, e.hushedEvidence = 0, nil
	}
	return append(dst, x)
}
