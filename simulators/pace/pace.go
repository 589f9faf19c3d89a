// Package pace maps the wall clock to the virtual time of a simulation that
// runs faster or slower, and back. A device stamps what it says with wall
// time, because gateways believe nothing that lies minutes ahead of their own
// clock; at speed 1 the two are one.
//
// A Pace is a value: pure, immutable, safe to share.
package pace

import "time"

// Pace is a linear map between the two times, both in Unix ms.
type Pace struct {
	wallMS, virtualMS int64
	speed             float64
}

// New starts a map at which wall time wallMS is virtual time virtualMS, and
// every wall second is speed virtual seconds (speed > 0).
func New(wallMS, virtualMS int64, speed float64) Pace {
	return Pace{wallMS: wallMS, virtualMS: virtualMS, speed: speed}
}

// Virtual is the virtual time at a wall time.
func (p Pace) Virtual(wallMS int64) int64 {
	return p.virtualMS + int64(float64(wallMS-p.wallMS)*p.speed)
}

// Wall is the wall time at a virtual time.
func (p Pace) Wall(virtualMS int64) int64 {
	return p.wallMS + int64(float64(virtualMS-p.virtualMS)/p.speed)
}

// Every is the wall time between two virtual instants d apart, at least min.
func (p Pace) Every(d, min time.Duration) time.Duration {
	return max(min, time.Duration(float64(d)/p.speed))
}
