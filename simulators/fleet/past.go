package fleet

import (
	"fmt"
	"math"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

const (
	// alarmsOnTheWay and pastOnTheWay bound the unsettled Envelopes of these
	// lanes; the latter is reached by one more with each Receipt, as an edge
	// finds out what its line carries.
	alarmsOnTheWay = 16
	pastOnTheWay   = 8
	// pastSamples is about how many Samples an Envelope of the past has.
	pastSamples = 1000
)

// past is what an edge has kept while there was no collector.
type past struct {
	// alarms and chunks are how many Envelopes, sentAlarms and sentChunks
	// how many of them are on their way or settled.
	alarms, sentAlarms int
	chunks, sentChunks int
	// settled of either.
	settledAlarms, settledChunks int
	// chunkMS is the time that one chunk spans; the last ends at the start.
	chunkMS int64
	room    int
}

func newPast(o Options) past {
	perSecond := o.Rate * float64(o.Devices)
	span := min(o.Backlog.Seconds(), pastSamples/perSecond)
	p := past{alarms: o.Alarms, room: 1}
	if span > 0 {
		p.chunks = int(math.Ceil(o.Backlog.Seconds() / span))
		p.chunkMS = int64(span * 1000)
	}
	return p
}

// onward sends what of the past may be on its way now, alarms first.
func (e *edge) onward(publish func(*sent)) error {
	for e.past.sentAlarms < e.past.alarms && e.past.sentAlarms-e.past.settledAlarms < alarmsOnTheWay {
		e.past.sentAlarms++
		s, err := e.alarm(e.past.sentAlarms)
		if err != nil {
			return err
		}
		publish(s)
	}
	for e.past.sentChunks < e.past.chunks && e.past.sentChunks-e.past.settledChunks < e.past.room {
		e.past.sentChunks++
		s, err := e.chunk(e.past.sentChunks)
		if err != nil {
			return err
		}
		publish(s)
	}
	return nil
}

// alarm makes the n-th alarm's Envelope: an entrapment at one of the devices,
// some time in the past.
func (e *edge) alarm(n int) (*sent, error) {
	ms := e.began.UnixMilli() - e.o.Backlog.Milliseconds()*int64(n)/int64(e.past.alarms+1)
	at := time.UnixMilli(ms)
	origin := telemetry.Origin{Boot: e.boot, MonoMS: 1, EdgeMS: ms, ClockTrusted: true}
	x := ticket.Transition{
		ID: string(ticket.NewID(at)), Ticket: ticket.NewID(at), Kind: ticket.Raise, AtMS: ms,
		Stamp: ticket.Stamp{WallMS: ms, Origin: e.cred.Estate + "/" + e.cred.Edge, Number: uint64(n)}, //nolint:gosec // a count
		By:    ticket.Actor{Kind: ticket.ByRule, ID: "entrapment"},
		Subject: &ticket.Subject{
			Estate: e.cred.Estate, Edge: e.cred.Edge, Device: e.device((n - 1) % e.o.Devices), DeviceKind: "meter",
			Rule: fmt.Sprintf("entrapment-%d", n), Fault: ticket.Entrapment, Severity: ticket.Critical,
			Title: ticket.Title{Code: "entrapment"},
		},
		Origin: &ticket.OriginRef{Boot: e.boot, MonoMS: 1, EdgeMS: ms, ClockTrusted: true},
	}
	return e.wrap(envelope.LaneAlarm, envelope.Sequence(n), envelope.Sequence(e.past.alarms), //nolint:gosec // counts
		envelope.Record{Origin: origin, Transitions: []ticket.Transition{x}})
}

// chunk makes the n-th Envelope of the past, oldest first.
func (e *edge) chunk(n int) (*sent, error) {
	end := e.began.UnixMilli() - e.past.chunkMS*int64(e.past.chunks-n)
	each := max(1, int(e.o.Rate*float64(e.past.chunkMS)/1000))
	return e.wrap(envelope.LaneBackfill, envelope.Sequence(n), e.next, envelope.Record{ //nolint:gosec // a count
		Origin:  telemetry.Origin{Boot: e.boot, MonoMS: 1, EdgeMS: end, ClockTrusted: true},
		Samples: e.walk(end, e.past.chunkMS, each),
	})
}

// wrap encodes a record as an Envelope of its own.
func (e *edge) wrap(lane envelope.Lane, seq, head envelope.Sequence, r envelope.Record) (*sent, error) {
	log := envelope.Samples
	if lane == envelope.LaneAlarm {
		log = envelope.Alarm
	}
	b, err := envelope.Encode(envelope.Envelope{
		Schema: envelope.SchemaVersion, Estate: e.cred.Estate, Edge: e.cred.Edge, Epoch: e.epoch,
		Log: log, Lane: lane, Head: head, Sequences: []envelope.Range{{First: seq, Last: seq}}, Record: r,
	})
	if err != nil {
		return nil, fmt.Errorf("encode envelope: %w", err)
	}
	return &sent{lane: lane, log: log, seq: seq, bytes: b, samples: len(r.Samples), at: time.Now()}, nil
}

// arrived notes that one Envelope of the past is settled.
func (e *edge) arrived(s *sent, now time.Time) {
	since := now.Sub(e.up)
	switch s.lane {
	case envelope.LaneAlarm:
		e.past.settledAlarms++
		e.count.alarmDelays.add(since)
		e.count.alarms.Add(1)
	case envelope.LaneBackfill:
		e.past.settledChunks++
		e.past.room = min(e.past.room+1, pastOnTheWay)
		if e.past.settledChunks == 1 {
			e.count.first.add(since)
		}
		if e.past.settledChunks == e.past.chunks {
			e.count.drained.add(since)
		}
	}
}
