package triage

import (
	"cmp"
	"slices"

	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// Apply takes a Transition that was made before: by this edge and read back
// from its log, or by the cloud. It reports whether anything here changed;
// copies and what is about tickets not known here change nothing.
func (t *Triage) Apply(x ticket.Transition, now telemetry.Origin) bool {
	if x.Stamp.Origin != t.stamp.Origin {
		t.stamp = t.observe(x.Stamp, now)
	} else if x.Stamp.Compare(t.stamp) > 0 {
		t.stamp = x.Stamp
	}
	return t.apply(x)
}

// observe follows another's stamp, that of the cloud anywhere if nothing here
// knows better.
func (t *Triage) observe(s ticket.Stamp, now telemetry.Origin) ticket.Stamp {
	ms, believed := now.BelievedMS()
	if !believed {
		ms = s.WallMS
	}
	return t.stamp.Observe(s, ms, maxAheadMS)
}

func (t *Triage) apply(x ticket.Transition) bool {
	e := t.names[x.Ticket]
	switch {
	case e != nil:
	case x.Kind == ticket.Raise && x.Subject != nil:
		if e = t.open(x); e == nil {
			return false
		}
	case x.Kind == ticket.Alias && t.names[x.AliasID] != nil:
		// The cloud had an older ticket of this condition: from now on it
		// speaks of ours by that id.
		e = t.names[x.AliasID]
	default:
		return false
	}
	if !e.add(x) {
		return false
	}
	t.names[x.Ticket] = e
	if x.AliasID != "" {
		t.names[x.AliasID] = e
	}
	t.word(e, x)
	if e.over() {
		t.forget(e)
	}
	return true
}

// open makes the episode of a raise, in the place of an older one of the same
// key. It returns nil for a raise that is older than what is known.
func (t *Triage) open(x ticket.Transition) *episode {
	k := x.Subject.Key()
	if old := t.episodes[k]; old != nil {
		// Another clock's stamp says nothing about which came first.
		if x.Stamp.Origin == old.raised.Origin && x.Stamp.Compare(old.raised) < 0 {
			return nil
		}
		t.forget(old)
	}
	e := &episode{key: k, raised: x.Stamp}
	t.episodes[k] = e
	return e
}

// word follows what this edge itself said about the condition.
func (t *Triage) word(e *episode, x ticket.Transition) {
	switch x.Kind {
	case ticket.Raise, ticket.Occur:
		e.active = x.By.Kind == ticket.ByRule
		t.taken.add(e.key, x.AtMS)
	case ticket.Clear:
		e.active = false
	}
}

func (t *Triage) forget(e *episode) {
	delete(t.episodes, e.key)
	for id, other := range t.names {
		if other == e {
			delete(t.names, id)
		}
	}
}

// Maintain says whether somebody works on a device. When the work ends, what
// was raised as a warning meanwhile and still lasts is raised in full.
func (t *Triage) Maintain(dst []ticket.Transition, dev string, on bool, now telemetry.Origin) []ticket.Transition {
	if t.maintained[dev] == on {
		return dst
	}
	if on {
		t.maintained[dev] = true
		return dst
	}
	delete(t.maintained, dev)
	for _, e := range t.sorted() {
		s, downgraded := upgrade(e.ticket.Subject)
		if s.Device != dev || !downgraded || !e.active || !e.ticket.State.Unresolved() {
			continue
		}
		f := Finding{Subject: s, Active: true, AtMS: now.EdgeMS, Evidence: e.ticket.Evidence}
		x := t.transition(e.ticket.ID, ticket.Resolve, now.EdgeMS, now)
		x.By = ticket.Actor{Kind: ticket.BySystem, ID: maintenanceParam}
		x.Outcome, x.Reason = ticket.Duplicate, "maintenance_ended"
		dst = t.tell(dst, x, now)
		dst = t.raise(dst, f, now)
	}
	return dst
}

// Open returns the tickets that somebody still has to act on, worst first,
// then oldest first. The values must not be changed.
func (t *Triage) Open() []ticket.Ticket {
	out := []ticket.Ticket{}
	for _, e := range t.sorted() {
		if e.ticket.State.Unresolved() {
			out = append(out, e.ticket)
		}
	}
	slices.SortStableFunc(out, func(a, b ticket.Ticket) int {
		return cmp.Or(cmp.Compare(rank(a.Severity), rank(b.Severity)), cmp.Compare(a.RaisedMS, b.RaisedMS))
	})
	return out
}

func rank(s ticket.Severity) int {
	return slices.Index([]ticket.Severity{ticket.Critical, ticket.Major, ticket.Minor, ticket.Warning}, s)
}

// Lasting returns the keys whose conditions were active by the last word.
func (t *Triage) Lasting() []ticket.Key {
	var out []ticket.Key
	for _, e := range t.sorted() {
		if e.active {
			out = append(out, e.key)
		}
	}
	return out
}

// sorted returns the episodes in the order of their tickets' ids, so that
// equal inputs give equal outputs.
func (t *Triage) sorted() []*episode {
	out := make([]*episode, 0, len(t.episodes))
	for _, e := range t.episodes {
		out = append(out, e)
	}
	slices.SortFunc(out, func(a, b *episode) int { return cmp.Compare(a.ticket.ID, b.ticket.ID) })
	return out
}
