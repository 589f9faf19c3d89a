package duty

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Problem is one thing wrong with a noun. Path leads to it as in
// "shifts[2].from"; Mend says what to do.
type Problem struct{ Path, Message, Mend string }

// Error implements error.
func (p Problem) Error() string { return p.Path + ": " + p.Message + "; " + p.Mend }

// Posts lists every Post.
func Posts() []Post { return []Post{Patrol, Desk, Manager, Maintainer} }

// ChannelKinds lists the kinds of Channel.
func ChannelKinds() []string { return []string{"webhook", "stream", "mqtt"} }

// ValidateTimezone checks an IANA timezone name; empty is the default.
func ValidateTimezone(name string) error {
	if name == "" {
		return nil
	}
	if _, err := time.LoadLocation(name); err != nil || name == "Local" {
		return fmt.Errorf("%q is not an IANA timezone", name)
	}
	return nil
}

// Validate returns what is wrong with a person.
func (s Staff) Validate() []Problem {
	var ps []Problem
	add := func(path, message, mend string) { ps = append(ps, Problem{path, message, mend}) }
	if s.ID == "" || strings.ContainsAny(s.ID, " \t\n/:+#") {
		add("id", fmt.Sprintf("%q can't be a staff id", s.ID), "use letters, digits, - and _, as in li-wei")
	}
	if s.Post != "" && !slices.Contains(Posts(), s.Post) {
		add("post", fmt.Sprintf("unknown post %q", s.Post), "use patrol, desk, manager or maintainer")
	}
	for i, c := range s.Channels {
		path := fmt.Sprintf("channels[%d]", i)
		if !slices.Contains(ChannelKinds(), c.Kind) {
			add(path+".kind", fmt.Sprintf("unknown channel %q", c.Kind), "use "+strings.Join(ChannelKinds(), ", "))
		}
		if c.Kind == "webhook" && !webAddress(c.URL) {
			add(path+".url", fmt.Sprintf("%q is not a web address", c.URL), "write http://… or https://… with a host")
		}
	}
	return ps
}

func webAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// Validate returns what is wrong with a roster. known reports whether a staff
// id exists in its estate.
func (r Roster) Validate(known func(staff string) bool) []Problem {
	var ps []Problem
	for i, s := range r.Shifts {
		for _, p := range s.Validate(known) {
			p.Path = fmt.Sprintf("shifts[%d].%s", i, p.Path)
			ps = append(ps, p)
		}
	}
	return ps
}

// Validate returns what is wrong with a shift.
func (s Shift) Validate(known func(staff string) bool) []Problem {
	var ps []Problem
	add := func(path, message, mend string) { ps = append(ps, Problem{path, message, mend}) }
	if m, err := clockTime(s.From); err != nil || m == minutesPerDay {
		add("from", fmt.Sprintf("%q is not a time of day", s.From), `write "HH:MM" from "00:00" to "23:59", in quotes`)
	}
	if _, err := clockTime(s.To); err != nil {
		add("to", fmt.Sprintf("%q is not a time of day", s.To), `write "HH:MM" from "00:00" to "24:00", in quotes; a time not after "from" is on the next day`)
	}
	if len(s.Days) == 0 {
		add("days", "no day is given", "list the days the shift begins on, as in [mon, tue]")
	}
	names := dayNames()
	for i, d := range s.Days {
		switch {
		case !slices.Contains(names[:], d):
			add(fmt.Sprintf("days[%d]", i), fmt.Sprintf("%q is not a day", d), "use mon, tue, wed, thu, fri, sat or sun")
		case slices.Contains(s.Days[:i], d):
			add(fmt.Sprintf("days[%d]", i), d+" is given twice", "remove one")
		}
	}
	if len(s.Staff) == 0 {
		add("staff", "nobody is on this shift", "list at least one staff id")
	}
	for i, id := range s.Staff {
		switch {
		case !known(id):
			add(fmt.Sprintf("staff[%d]", i), fmt.Sprintf("no staff %q in this estate", id), "add the person under staff, or correct the id")
		case slices.Contains(s.Staff[:i], id):
			add(fmt.Sprintf("staff[%d]", i), id+" is given twice", "remove one")
		}
	}
	if s.Leader != "" && !known(s.Leader) {
		add("leader", fmt.Sprintf("no staff %q in this estate", s.Leader), "add the person under staff, or correct the id")
	}
	return ps
}

// Validate returns what is wrong with an override. knownRoster reports whether
// a roster exists in its estate.
func (o Override) Validate(knownStaff, knownRoster func(string) bool) []Problem {
	var ps []Problem
	add := func(path, message, mend string) { ps = append(ps, Problem{path, message, mend}) }
	if o.Out == "" && o.In == "" {
		add("in", "neither in nor out is given", "say who comes (in), who goes (out), or both")
	}
	if o.Out != "" && o.Out == o.In {
		add("in", o.In+" can't stand in for himself", "name somebody else, or remove in")
	}
	for _, who := range [][2]string{{"out", o.Out}, {"in", o.In}} {
		if path, id := who[0], who[1]; id != "" && !knownStaff(id) {
			add(path, fmt.Sprintf("no staff %q in this estate", id), "add the person under staff, or correct the id")
		}
	}
	if o.Roster != "" && !knownRoster(o.Roster) {
		add("roster", fmt.Sprintf("no roster %q in this estate", o.Roster), "correct the id, or remove it: the override then holds for all rosters")
	}
	if o.ToMS <= o.FromMS {
		add("to", "it ends before it begins", "give a later end")
	}
	return ps
}
