package uplink

import (
	"slices"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/limit"
)

// Bounds of what is on the way. An Envelope of samples is kept small, so that
// an alarm waits behind little on a thin line; the budget keeps a fast line
// busy between two group commits of the cloud.
const (
	alarmBytes    = 128 << 10
	samplesBytes  = 128 << 10
	samplesBudget = 1 << 20
	alarmWindow   = limit.MaxWindow / 4
	samplesWindow = limit.MaxWindow - alarmWindow
	// mostTries is how often an Envelope is sent before the connection is
	// blamed.
	mostTries = 3
)

// cursor walks one lane.
type cursor struct {
	lane envelope.Lane
	log  envelope.Log
	// from is the next position, to the first that is not this lane's.
	from, to uint64
}

// parcel is an Envelope without a Receipt. Its content is leased again when
// it has to be sent again.
type parcel struct {
	lane     envelope.Lane
	log      envelope.Log
	from, to uint64
	epoch    string
	// need are the Sequences that Receipts must cover, gaps included.
	need  []envelope.Range
	bytes int
	sent  time.Duration // monotonic
	tries int
}

// window are the parcels on the way, oldest first.
type window struct{ parcels []*parcel }

// room reports whether another Envelope of the lane may leave.
func (w *window) room(lane envelope.Lane) bool {
	alarms, samples, bytes := 0, 0, 0
	for _, p := range w.parcels {
		if p.lane == envelope.LaneAlarm {
			alarms++
			continue
		}
		samples++
		bytes += p.bytes
	}
	if lane == envelope.LaneAlarm {
		return alarms < alarmWindow
	}
	return samples < samplesWindow && bytes < samplesBudget
}

func (w *window) add(p *parcel) { w.parcels = append(w.parcels, p) }

// settle removes what a Receipt answers and returns the time that the newest
// of it has been on the way since, false if it answers nothing here.
func (w *window) settle(r envelope.Receipt) (sent time.Duration, ok bool) {
	answered := envelope.RangeSet{}.AddAll(r.Sequences)
	w.parcels = slices.DeleteFunc(w.parcels, func(p *parcel) bool {
		if p.log != r.Log || p.epoch != r.Epoch {
			return false
		}
		var left []envelope.Range
		for _, n := range p.need {
			left = append(left, answered.Missing(n)...)
		}
		p.need = left
		if len(left) == 0 {
			sent, ok = max(sent, p.sent), true
		}
		return len(left) == 0
	})
	return sent, ok
}

// late returns the parcels that have been on the way since before the given
// instant.
func (w *window) late(before time.Duration) []*parcel {
	var out []*parcel
	for _, p := range w.parcels {
		if p.sent <= before {
			out = append(out, p)
		}
	}
	return out
}

func (w *window) drop(p *parcel) {
	w.parcels = slices.DeleteFunc(w.parcels, func(o *parcel) bool { return o == p })
}
