package routing

import (
	"fmt"
	"slices"
	"strings"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/protocol/ticket"
)

// Validate returns what is wrong with a policy. known reports whether a staff
// id exists in its estate.
func (p Policy) Validate(known func(staff string) bool) []duty.Problem {
	var ps []duty.Problem
	add := func(path, message, mend string) {
		ps = append(ps, duty.Problem{Path: path, Message: message, Mend: mend})
	}
	severities := []ticket.Severity{ticket.Critical, ticket.Major, ticket.Minor, ticket.Warning}
	for i, s := range p.Match.Severity {
		if !slices.Contains(severities, s) {
			add(fmt.Sprintf("match.severity[%d]", i), fmt.Sprintf("unknown severity %q", s), "use critical, major, minor or warning")
		}
	}
	if len(p.Steps) == 0 {
		add("steps", "no step is given", "add one such as {to: duty, after: 0s}; to page nobody for a time, use a mute")
	}
	for i, s := range p.Steps {
		at := fmt.Sprintf("steps[%d].", i)
		id, named := strings.CutPrefix(s.To, StaffPrefix)
		words := []string{ToDuty, ToLeader, ToManager, ToDesk, ToMaintainer}
		switch {
		case named && !known(id):
			add(at+"to", fmt.Sprintf("no staff %q in this estate", id), "add the person under staff, or correct the id")
		case !named && !slices.Contains(words, s.To):
			add(at+"to", fmt.Sprintf("nobody is called %q", s.To), "use "+strings.Join(words, ", ")+` or "staff:ID"`)
		}
		if s.After < 0 {
			add(at+"after", "it lies before the ticket", "write a time span such as 60s or 5m")
		}
		if strings.HasPrefix(s.Track, entrapmentTrack) {
			add(at+"track", "the name is taken by the built-in tracks", "choose another name")
		}
	}
	return ps
}

// Validate returns what is wrong with a mute.
func (m Mute) Validate() []duty.Problem {
	var ps []duty.Problem
	add := func(path, message, mend string) {
		ps = append(ps, duty.Problem{Path: path, Message: message, Mend: mend})
	}
	if m.Device == "" && m.Kind == "" && m.Rule == "" {
		add("device", "nothing is named", "name a device, a kind or a rule")
	}
	if m.Reason == "" {
		add("reason", "no reason is given", "say why, for those who will ask")
	}
	if m.ToMS <= m.FromMS {
		add("to", "it ends before it begins", "give a later end: a mute always ends")
	}
	return ps
}
