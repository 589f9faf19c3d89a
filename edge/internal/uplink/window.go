package uplink

import (
	"slices"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/limit"
)

const (
	// alarmBytes and samplesBytes bound the content of one Envelope.
	alarmBytes   = 128 << 10
	samplesBytes = 128 << 10
	// The window of unsettled Envelopes has room that only alarms may use.
	alarmWindow   = limit.MaxWindow / 4
	samplesWindow = limit.MaxWindow - alarmWindow
	// alarmBudget bounds the bytes of alarms on the way: what 8 kB/s carries
	// before the first of them would be sent again.
	alarmBudget = 32 << 10
	// mostTries is how often an Envelope is sent before the connection is
	// blamed, or the Envelope, if others are answered: it takes no room from
	// the others then and, but for alarms, is sent more seldom, by parkedFor.
	mostTries = 3
	parkedFor = 4
)

// cursor walks one lane.
type cursor struct {
	lane envelope.Lane
	log  envelope.Log
	// from is the next position, to the first that is not this lane's.
	from, to uint64
	// stuck: reading failed; the lane is left alone until the next look.
	stuck bool
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
type window struct {
	parcels []*parcel
	pace    pace
}

// room reports whether another Envelope of the lane may leave. What the cloud
// did not answer in time holds up no live samples.
func (w *window) room(lane envelope.Lane) bool {
	alarms, urgent, samples, bytes := 0, 0, 0, 0
	for _, p := range w.parcels {
		if p.lane == envelope.LaneAlarm {
			alarms++
			if !p.parked() {
				urgent += p.bytes
			}
			continue
		}
		samples++
		if !p.parked() && (lane != envelope.LaneLive || p.tries <= 1) {
			bytes += p.bytes
		}
	}
	if lane == envelope.LaneAlarm {
		return alarms < alarmWindow && urgent < alarmBudget
	}
	return samples < samplesWindow && bytes < w.pace.budget
}

func (w *window) add(p *parcel) { w.parcels = append(w.parcels, p) }

// settle removes what a Receipt answers. It returns when the newest of it was
// sent, of what was sent once only; false if there is none.
func (w *window) settle(r envelope.Receipt, now time.Duration) (sent time.Duration, ok bool) {
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
		if len(left) > 0 {
			return false
		}
		if p.tries > 1 { // it is not known which time is answered
			return true
		}
		sent, ok = max(sent, p.sent), true
		if p.lane != envelope.LaneAlarm {
			w.pace.answered(p.bytes, now-p.sent)
		}
		return true
	})
	return sent, ok
}

// parked reports whether the parcel itself is blamed for having no Receipt.
func (p *parcel) parked() bool { return p.tries > mostTries }

// patience is for how long a parcel may have no Receipt: after, and alarms a
// third of that, since a person may wait behind one.
func (p *parcel) patience(after time.Duration) time.Duration {
	if p.lane == envelope.LaneAlarm {
		return after / 3
	}
	return after
}

// late returns the parcels that have been on the way for too long.
func (w *window) late(now, after time.Duration) []*parcel {
	var out []*parcel
	for _, p := range w.parcels {
		patience := p.patience(after)
		if p.parked() && p.lane != envelope.LaneAlarm {
			patience *= parkedFor
		}
		if now-p.sent >= patience {
			out = append(out, p)
		}
	}
	return out
}

// dropBackfill forgets the parcels of that lane: they make room, and what of
// them has no Receipt is leased again by the next session.
func (w *window) dropBackfill() {
	w.parcels = slices.DeleteFunc(w.parcels, func(p *parcel) bool { return p.lane == envelope.LaneBackfill })
}

func (w *window) drop(p *parcel) {
	w.parcels = slices.DeleteFunc(w.parcels, func(o *parcel) bool { return o == p })
}
