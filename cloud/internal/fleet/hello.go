package fleet

import "github.com/linshao/linshao/protocol/envelope"

// Session is one connection of an edge, as its hello announced it. Edges write
// Session and Previous to disk before they connect, so that each disk makes
// one unbranched line of sessions.
type Session struct {
	Epoch, Session, Previous string
}

// Clone reports whether next and one of the sessions heard before grow from
// one predecessor: two machines then run from copies of one disk, and would
// issue the same Sequences for different records. Hearing one session twice
// is no clone.
func Clone(before []Session, next Session) bool {
	for _, s := range before {
		if s.Epoch == next.Epoch && s.Previous == next.Previous && s.Session != next.Session {
			return true
		}
	}
	return false
}

// Greet returns e as a hello heard at nowMS leaves it.
func (e Edge) Greet(h envelope.Hello, nowMS int64) Edge {
	e.Estate, e.ID = h.Estate, h.Edge
	e.Version = h.Version
	e.Session, e.Predecessor = h.Session, h.Previous
	e.SkewMS = h.EdgeMS - nowMS
	e.Heads = h.Heads
	e.LastSeenMS, e.Online = nowMS, true
	return e
}

// DevicesOf returns the devices a hello describes, as the cloud keeps them.
func DevicesOf(h envelope.Hello) []Device {
	devices := make([]Device, 0, len(h.Devices))
	for _, d := range h.Devices {
		devices = append(devices, Device{
			ID: d.ID, Estate: h.Estate, Edge: h.Edge,
			Kind: d.Kind, Profile: d.Profile, Location: d.Location, Points: d.Points,
		})
	}
	return devices
}
