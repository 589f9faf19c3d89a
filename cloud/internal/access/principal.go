// Package access says who somebody is and what they may do.
//
// Principals sign in with a password (argon2id), a session cookie, an API
// token, an edge's credential or an acknowledge link; every secret but the
// password is random and kept only as its SHA-256. May and Scope are plain
// code without I/O: one place to read, and to test over every action and role.
//
// What it guarantees: an unknown name costs as much time as a wrong password;
// guessing is locked out per (name, address), per name and per address; a
// bounded number of password hashes is computed at once; no secret is stored
// or logged in clear.
package access

import "slices"

// Kind is what sort of principal somebody is.
type Kind string

// The kinds.
const (
	User     Kind = "user"     // signed in with a password
	Token    Kind = "token"    // an API token
	EdgeBox  Kind = "edge"     // an edge gateway on the uplink
	LinkKind Kind = "link"     // whoever holds the acknowledge link of a page
	Reporter Kind = "reporter" // a resident
)

// Role is what a user or token is for.
type Role string

// The roles.
const (
	Admin      Role = "admin"
	Dispatcher Role = "dispatcher"
	Patrol     Role = "patrol"
	Maintainer Role = "maintainer"
	Viewer     Role = "viewer"
)

// Valid reports whether r is one of the roles.
func (r Role) Valid() bool {
	return slices.Contains([]Role{Admin, Dispatcher, Patrol, Maintainer, Viewer}, r)
}

// Principal is somebody whose identity has been proven.
type Principal struct {
	Kind Kind
	// ID is the user name, the token's id, "estate/edge", or the link's id.
	ID   string
	Role Role
	// Staff binds the principal to a person, who then stands in Transitions.
	Staff string
	// Scope bounds all they see and do.
	Scope Scope
	// Ticket is the only ticket a link is good for.
	Ticket string
}

// Key names the principal where a caller's own keys are told apart.
func (p Principal) Key() string { return string(p.Kind) + ":" + p.ID }

// Scope is the part of the world a principal sees. The zero Scope sees
// nothing.
type Scope struct {
	// AllEstates is the whole installation.
	AllEstates bool
	Estates    []string
	// Limited restricts further to Devices and Kinds, as for a contractor,
	// who sees only what he looks after (of his own estates).
	Limited bool
	Devices []string
	Kinds   []string
}

// Estate reports whether the scope reaches into an estate at all.
func (s Scope) Estate(id string) bool {
	return s.AllEstates || slices.Contains(s.Estates, id)
}

// Sees reports whether the scope holds this device of this estate; an empty
// device is a thing of the estate itself, such as an edge.
func (s Scope) Sees(estate, device, kind string) bool {
	if !s.Estate(estate) {
		return false
	}
	if !s.Limited {
		return true
	}
	return device != "" && (slices.Contains(s.Devices, device) || kind != "" && slices.Contains(s.Kinds, kind))
}

// LimitTo narrows a scope to what a contractor looks after; each entry is a
// device id or "kind:elevator".
func (s Scope) LimitTo(looksAfter []string) Scope {
	s.Limited = true
	s.Devices, s.Kinds = nil, nil
	for _, d := range looksAfter {
		if kind, ok := cutKind(d); ok {
			s.Kinds = append(s.Kinds, kind)
			continue
		}
		s.Devices = append(s.Devices, d)
	}
	return s
}

func cutKind(s string) (string, bool) {
	const prefix = "kind:"
	if len(s) > len(prefix) && s[:len(prefix)] == prefix {
		return s[len(prefix):], true
	}
	return "", false
}
