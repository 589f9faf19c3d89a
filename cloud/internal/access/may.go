package access

import "slices"

// Action is something a principal asks to do.
type Action string

// The actions.
const (
	// See the fleet, tickets, series, deliveries and duty.
	See Action = "see"
	// SeePersonal shows phone numbers and the like.
	SeePersonal Action = "see_personal"
	// Act makes a Transition on a ticket.
	Act Action = "act"
	// ActAs makes one in another person's name.
	ActAs Action = "act_as"
	// Report opens a ticket by hand.
	Report Action = "report"
	// SignOn goes on or off duty, for oneself.
	SignOn Action = "sign_on"
	// Plan edits staff, rosters, overrides, policies and mutes.
	Plan Action = "plan"
	// Command sends a command to a device.
	Command Action = "command"
	// Administer users, tokens, edges, estates and imports.
	Administer Action = "administer"
	// Uplink speaks the edge protocol.
	Uplink Action = "uplink"
)

// Target is what an Action is about. An empty Estate stands for the
// installation as a whole, which only an unbounded scope reaches.
type Target struct {
	Estate     string
	Device     string
	DeviceKind string
	Ticket     string
	// Edge is set for Uplink.
	Edge string
}

// grants lists what each role may do within its scope.
func grants(r Role) []Action {
	switch r {
	case Admin:
		return []Action{See, SeePersonal, Act, ActAs, Report, SignOn, Plan, Command, Administer}
	case Dispatcher:
		return []Action{See, SeePersonal, Act, ActAs, Report, SignOn, Plan}
	case Patrol, Maintainer:
		return []Action{See, Act, Report, SignOn}
	case Viewer:
		return []Action{See}
	}
	return nil
}

// May reports whether p may do a to t. It denies by default.
func May(p Principal, a Action, t Target) bool {
	switch p.Kind {
	case User, Token:
		return slices.Contains(grants(p.Role), a) && p.reaches(a, t)
	case EdgeBox:
		return a == Uplink && p.ID == t.Estate+"/"+t.Edge && p.Scope.Estate(t.Estate)
	case LinkKind:
		return (a == See || a == Act) && p.Ticket != "" && p.Ticket == t.Ticket && p.Scope.Estate(t.Estate)
	case Reporter:
		return a == Report && p.Scope.Estate(t.Estate)
	}
	return false
}

// reaches judges the scope: device by device for what is about devices, by
// estate for the rest.
func (p Principal) reaches(a Action, t Target) bool {
	if t.Estate == "" {
		return p.Scope.AllEstates && !p.Scope.Limited
	}
	switch a {
	case See, Act, ActAs, Report, Command:
		if t.Device == "" && t.Ticket == "" && t.Edge == "" {
			return p.Scope.Estate(t.Estate) // the estate itself: its name, who is on duty
		}
		return p.Scope.Sees(t.Estate, t.Device, t.DeviceKind)
	case SignOn:
		return p.Scope.Estate(t.Estate)
	default:
		return p.Scope.Estate(t.Estate) && !p.Scope.Limited
	}
}
