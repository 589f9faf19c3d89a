package modbus

import (
	"math"
	"time"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
)

// point is a device.Point at work: how to decode it, and what was said last.
type point struct {
	device.Point
	decoder decoder
	// offset is the distance from its block's start, in registers or bits.
	offset int
	latch  *latch // nil unless the point latches
	last   report
}

// report is what was last reported of a point.
type report struct {
	sent    bool
	value   float64
	quality telemetry.Quality
	at      time.Duration
}

func newPoint(q device.Point, offset int) *point {
	p := &point{Point: q, decoder: newDecoder(q), offset: offset}
	if q.Latch {
		p.latch = &latch{hold: q.LatchHold}
	}
	return p
}

// Reasons of values that arrived but cannot be trusted.
const (
	notANumber = "not_a_number"
	notInEnum  = "not_in_enum"
)

// read takes the block's answer and returns the point's value.
func (p *point) read(answer []byte, at time.Duration) (v float64, q telemetry.Quality, reason string) {
	var w uint64
	if p.Register.Bits() {
		w = uint64(answer[p.offset/8]>>(p.offset%8)) & 1
	} else {
		w = p.decoder.word(answer[2*p.offset:])
	}
	if p.latch != nil {
		w = p.latch.see(w, at)
	}
	v = p.decoder.number(w)
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return 0, telemetry.Bad, notANumber
	case len(p.Enum) > 0 && p.Enum[v] == "":
		return v, telemetry.Uncertain, notInEnum
	}
	return v, telemetry.Good, ""
}

// due reports whether a reading is worth reporting, and remembers it if so:
// the first, a change beyond the deadband or of quality, the heartbeat. What
// is bad is always reported.
func (p *point) due(v float64, q telemetry.Quality, at time.Duration) bool {
	l := p.last
	if l.sent && q == l.quality && q != telemetry.Bad && math.Abs(v-l.value) <= p.Deadband && at-l.at < p.Heartbeat {
		return false
	}
	p.last = report{sent: true, value: v, quality: q, at: at}
	return true
}

// lost says that a reading failed.
func (p *point) lost() {
	if p.latch != nil {
		p.latch.lost()
	}
}
