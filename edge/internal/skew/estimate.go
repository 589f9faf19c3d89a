// Package skew finds out how far the edge's clock is from the cloud's, and
// remembers it for the records of each boot, so that what was recorded while
// the clock was wrong can be put right where it is stored [P-5.5].
//
// The cloud says its time in answers. An answer was made between the question
// and its arrival, both of them monotonic instants of this boot; so the cloud's
// clock at the boot's beginning is known up to half the time that the answer
// took. The narrowest of the measurements counts, until it is so old that a
// quartz may have left it behind. A jump of the edge's own clock changes
// nothing of it.
//
// What is told about a record never changes, however often it is sent: its
// corrected times are the same each time, and a copy of it is no new value.
package skew

import (
	"math"
	"sync"
	"time"

	"github.com/linshao/linshao/protocol/telemetry"
)

const (
	// drift is by how much a quartz may be wrong: 200 ppm.
	drift = 5000
	// gridMS is the resolution of what records are told, so that the ordinary
	// slewing of a clock does not tell each record something else. A record is
	// told anew once it is stickyMS away.
	gridMS   = 100
	stickyMS = 500
)

// offset is the cloud's clock at the beginning of the boot, and what is known
// about it.
type offset struct {
	CloudMS, ErrorMS int64
	at               time.Duration
}

// errorAt is the error as it has grown until the monotonic time now.
func (o offset) errorAt(now time.Duration) int64 {
	return o.ErrorMS + max(now-o.at, 0).Milliseconds()/drift
}

// Estimate is what this boot knows. Its zero value is ready to use; its methods
// are safe for concurrent use.
type Estimate struct {
	mu    sync.Mutex
	known bool   // guarded by mu
	best  offset // guarded by mu
	// told is what records are told; guarded by mu.
	told struct {
		known           bool
		skewMS, errorMS int64
	}
}

// Measured takes what the cloud's clock said between the monotonic instants
// sent and got.
func (e *Estimate) Measured(sent, got time.Duration, cloudMS int64) {
	half := (got - sent) / 2
	m := offset{CloudMS: cloudMS - (sent + half).Milliseconds(), ErrorMS: half.Milliseconds() + 1, at: got}
	e.mu.Lock()
	defer e.mu.Unlock()
	was := e.best.errorAt(got)
	apart := m.CloudMS - e.best.CloudMS
	contradicts := apart > m.ErrorMS+was || -apart > m.ErrorMS+was
	if !e.known || m.ErrorMS <= was || contradicts {
		e.known, e.best = true, m
	}
}

// Cloud is the cloud's clock at the monotonic time now, and by how much that
// may be wrong; ok is false while nothing was measured.
func (e *Estimate) Cloud(now time.Duration) (ms, errorMS int64, ok bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.best.CloudMS + now.Milliseconds(), e.best.errorAt(now), e.known
}

// Origin tells a record that is being made what is known about its clock.
func (e *Estimate) Origin(o telemetry.Origin) telemetry.Origin {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.known {
		return o
	}
	skewMS := o.EdgeMS - o.MonoMS - e.best.CloudMS
	errorMS := e.best.errorAt(time.Duration(o.MonoMS) * time.Millisecond)
	away := skewMS - e.told.skewMS
	if !e.told.known || away > stickyMS || -away > stickyMS || e.told.errorMS > 2*errorMS+gridMS {
		e.told.known, e.told.skewMS, e.told.errorMS = true, onGrid(skewMS), errorMS
	}
	o.SkewKnown, o.SkewMS, o.SkewErrorMS = true, e.told.skewMS, e.told.errorMS
	return o
}

func onGrid(ms int64) int64 { return int64(math.Round(float64(ms)/gridMS)) * gridMS }
