package duty

import (
	"cmp"
	"maps"
	"slices"
)

// DefaultTimezone is used where an estate names none.
const DefaultTimezone = "Asia/Shanghai"

// Person is somebody on duty, and why.
type Person struct {
	Staff Staff
	// Roster and Shift (its id, else "08:00-20:00") put the person on duty;
	// both empty for an addition to the whole estate.
	Roster, Shift string
	Leader        bool
	// Covers is whom an Override lets this person stand in for.
	Covers string
	// UntilMS is when this turn of duty ends.
	UntilMS int64
}

// Answer says who is on duty at an instant.
type Answer struct {
	AtMS int64
	// People are on duty, each once: vanguard members first, then by id.
	People []Person
	// Absent are rostered but did not sign on where the roster asks for it.
	Absent []Person
	// Leaders are the staff ids that lead the shifts of now, stand-ins in
	// place of those they cover, whether they signed on or not.
	Leaders []string
	// NextMS is the next instant at which the plan by itself (not somebody
	// signing on) changes the answer; 0 if it never does within a week.
	NextMS int64
}

// On reports whether the person is on duty.
func (a Answer) On(staff string) bool {
	return slices.ContainsFunc(a.People, func(p Person) bool { return p.Staff.ID == staff })
}

// At answers who is on duty at atMS (Unix ms). It never fails: what cannot be
// understood in the plan puts nobody on duty, and Validate says so.
//
// A person is on duty when a shift of now (or an Override) names them and, if
// that roster asks for it, their newest press was 上岗. A press holds until
// the opposite one: an expiry would take people off duty in the middle of a
// shift, while one who forgot to press 下岗 merely does not answer the page.
//
// Overrides replace people of the roster, in one step: if A and B cover each
// other the two are swapped. A stand-in who is replaced as well hands on to
// the next. Of several Overrides for one person all apply.
func At(p Plan, atMS int64) Answer {
	a := Answer{AtMS: atMS}
	people := map[string]Person{}
	absent := map[string]Person{}
	for _, c := range p.called(atMS) {
		if c.Leader && !slices.Contains(a.Leaders, c.Staff.ID) {
			a.Leaders = append(a.Leaders, c.Staff.ID)
		}
		if c.leadsOnly {
			continue
		}
		to := people
		if c.signOn && !p.signedOn(c.Staff.ID, atMS) {
			to = absent
		}
		to[c.Staff.ID] = merge(to[c.Staff.ID], c.Person)
	}
	for id := range people {
		delete(absent, id)
	}
	a.People, a.Absent = sorted(people), sorted(absent)
	slices.Sort(a.Leaders)
	a.NextMS = p.nextEdge(atMS)
	return a
}

// merge keeps the longer turn of one who is on duty twice.
func merge(old, add Person) Person {
	if old.UntilMS >= add.UntilMS {
		old.Leader = old.Leader || add.Leader
		return old
	}
	add.Leader = add.Leader || old.Leader
	return add
}

func sorted(m map[string]Person) []Person {
	return slices.SortedFunc(maps.Values(m), func(a, b Person) int {
		if a.Staff.Vanguard != b.Staff.Vanguard {
			if a.Staff.Vanguard {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Staff.ID, b.Staff.ID)
	})
}

func (p Plan) signedOn(staff string, atMS int64) bool {
	return slices.ContainsFunc(p.SignOns, func(s SignOn) bool {
		return s.Staff == staff && s.On && s.AtMS <= atMS
	})
}

func (p Plan) person(id string) (Staff, bool) {
	i := slices.IndexFunc(p.Staff, func(s Staff) bool { return s.ID == id })
	if i < 0 {
		return Staff{}, false
	}
	return p.Staff[i], true
}
