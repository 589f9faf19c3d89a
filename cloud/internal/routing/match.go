package routing

import (
	"cmp"
	"slices"

	"github.com/linshao/linshao/protocol/ticket"
)

// Matches reports whether m selects t: every list that is given holds the
// ticket's word.
func (m Match) Matches(t ticket.Ticket) bool {
	return has(m.Severity, t.Severity) && has(m.Fault, t.Fault) && has(m.Kind, t.DeviceKind)
}

func has[T comparable](list []T, x T) bool { return len(list) == 0 || slices.Contains(list, x) }

// Choose returns the first policy of the ticket's estate, by id, that matches.
func Choose(policies []Policy, t ticket.Ticket) (Policy, bool) {
	var chosen Policy
	found := false
	for _, p := range policies {
		if p.Estate == t.Estate && p.Match.Matches(t) && (!found || cmp.Less(p.ID, chosen.ID)) {
			chosen, found = p, true
		}
	}
	return chosen, found
}

// Mutes reports whether m is in force for t at nowMS. A Mute that names
// nothing mutes nothing, and none holds for life safety.
func (m Mute) Mutes(t ticket.Ticket, nowMS int64) bool {
	if t.Fault.LifeSafety() || m.Estate != t.Estate || nowMS < m.FromMS || nowMS >= m.ToMS {
		return false
	}
	names := m.Device != "" || m.Kind != "" || m.Rule != ""
	return names && same(m.Device, t.Device) && same(m.Kind, t.DeviceKind) && same(m.Rule, t.Rule)
}

func same(want, got string) bool { return want == "" || want == got }

// muted returns the Mute in force that ends last.
func muted(mutes []Mute, t ticket.Ticket, nowMS int64) (Mute, bool) {
	var last Mute
	found := false
	for _, m := range mutes {
		if m.Mutes(t, nowMS) && (!found || m.ToMS > last.ToMS) {
			last, found = m, true
		}
	}
	return last, found
}
