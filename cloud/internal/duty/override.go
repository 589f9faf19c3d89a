package duty

import (
	"cmp"
	"slices"
)

// call is a Person the plan puts on duty, before sign-on is asked for.
type call struct {
	Person
	signOn    bool
	leadsOnly bool // leads the shift without being one of its staff
}

// called returns everybody the plan names at atMS, replacements made. The same
// person may be called more than once.
func (p Plan) called(atMS int64) []call {
	active := p.activeOverrides(atMS)
	var out []call
	for _, t := range turns(p, atMS, atMS+1) {
		names := t.shift.Staff
		if t.shift.Leader != "" && !slices.Contains(names, t.shift.Leader) {
			names = append(slices.Clone(names), t.shift.Leader)
		}
		for _, name := range names {
			leader := name == t.shift.Leader
			for _, r := range replace(active, t.roster.ID, name, t.toMS) {
				staff, known := p.person(r.staff)
				if !known {
					continue
				}
				c := call{signOn: t.roster.SignOn, leadsOnly: leader && !slices.Contains(t.shift.Staff, name)}
				c.Person = Person{
					Staff: staff, Roster: t.roster.ID, Shift: t.shift.name(), Leader: leader, UntilMS: r.untilMS,
				}
				if r.staff != name {
					c.Covers = name
				}
				out = append(out, c)
			}
		}
	}
	return append(out, p.added(active)...)
}

func (s Shift) name() string { return cmp.Or(s.ID, s.From+"-"+s.To) }

// added returns those whom an Override puts on duty beside the roster.
func (p Plan) added(active []Override) []call {
	var out []call
	for _, o := range active {
		if o.Out != "" || o.In == "" {
			continue
		}
		for _, r := range replace(active, o.Roster, o.In, o.ToMS) {
			if staff, known := p.person(r.staff); known {
				c := call{Person: Person{Staff: staff, Roster: o.Roster, UntilMS: r.untilMS}, signOn: p.asksSignOn(o.Roster)}
				if r.staff != o.In {
					c.Covers = o.In
				}
				out = append(out, c)
			}
		}
	}
	return out
}

func (p Plan) asksSignOn(roster string) bool {
	return slices.ContainsFunc(p.Rosters, func(r Roster) bool { return r.ID == roster && r.SignOn })
}

func (p Plan) activeOverrides(atMS int64) []Override {
	var out []Override
	for _, o := range p.Overrides {
		if o.FromMS <= atMS && atMS < o.ToMS {
			out = append(out, o)
		}
	}
	return out
}

// standIn is who serves in the end, and until when at most.
type standIn struct {
	staff   string
	untilMS int64
}

// replace follows the Overrides of one person in a roster to whoever serves.
func replace(active []Override, roster, staff string, untilMS int64) []standIn {
	return follow(active, roster, standIn{staff, untilMS}, nil)
}

// follow stops at somebody who already gave the turn away: such a circle is a
// swap, and the one before keeps the turn.
func follow(active []Override, roster string, who standIn, seen []string) []standIn {
	seen = append(slices.Clone(seen), who.staff)
	replaced := false
	var out []standIn
	for _, o := range active {
		if o.Out != who.staff || o.Roster != "" && o.Roster != roster || slices.Contains(seen, o.In) {
			continue
		}
		replaced = true
		if o.In != "" {
			out = append(out, follow(active, roster, standIn{o.In, min(who.untilMS, o.ToMS)}, seen)...)
		}
	}
	if !replaced {
		return []standIn{who}
	}
	return out
}
