// Package fleet knows what is out there: estates, their edges and the devices
// behind them, and turns an edge's silence into a Transition.
//
// The nouns are pure; the Watch decides from values and now. Storage belongs
// to package db.
package fleet

import "github.com/linshao/linshao/protocol/envelope"

// Estate is one housing estate (小区).
type Estate struct {
	ID       string `json:"id" yaml:"id"`
	Name     string `json:"name" yaml:"name"`
	Timezone string `json:"timezone" yaml:"timezone"` // IANA name; default Asia/Shanghai
	// Hotline is the city's lift rescue number, such as 96333.
	Hotline string `json:"hotline,omitempty" yaml:"hotline,omitempty"`
}

// Org is a property company or a maintenance contractor. A contractor sees
// only the devices it looks after.
type Org struct {
	ID     string `json:"id" yaml:"id"`
	Name   string `json:"name" yaml:"name"`
	Estate string `json:"estate" yaml:"estate"`
	Kind   string `json:"kind" yaml:"kind"` // property, contractor
	// Devices a contractor looks after; device ids, or "kind:elevator".
	Devices []string `json:"devices,omitempty" yaml:"devices,omitempty"`
	Phone   string   `json:"phone,omitempty" yaml:"phone,omitempty"`
}

// Edge is one edge gateway.
type Edge struct {
	ID         string `json:"id"`
	Estate     string `json:"estate"`
	Version    string `json:"version,omitempty"`
	LastSeenMS int64  `json:"last_seen_ms,omitempty"`
	Online     bool   `json:"online"`
	// SkewMS is the edge's clock minus ours, at the last hello.
	SkewMS int64              `json:"skew_ms"`
	Heads  []envelope.LogHead `json:"heads,omitempty"`
	// Session and Predecessor detect a cloned outbox.
	Session     string `json:"-"`
	Predecessor string `json:"-"`
}

// Device is one device as its edge (or an import) described it. Its id is
// unique within the estate; the API id is "estate:device".
type Device struct {
	ID       string           `json:"id"`
	Estate   string           `json:"estate"`
	Edge     string           `json:"edge,omitempty"`
	Kind     string           `json:"kind"`
	Profile  string           `json:"profile,omitempty"`
	Location string           `json:"location,omitempty"`
	Points   []envelope.Point `json:"points,omitempty"`
}
