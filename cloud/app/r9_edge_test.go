package app

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
	"github.com/linshao/linshao/protocol/topic"
)

// deafEdge is an edge of row R9: it keeps what has no Receipt, hears few of
// them, and sends what waits in ever other pieces.
type deafEdge struct {
	topic.Uplink
	rng               *rand.Rand
	session, previous string
	machine           int // which copy of the disk this is
	logs              map[envelope.Log]*deafLog
	conditions        []*condition
}

type deafLog struct {
	name    envelope.Log
	records []*deafRecord // by Sequence - 1
	open    envelope.RangeSet
}

// deafRecord is one Record and what is known of it.
type deafRecord struct {
	envelope.Record
	// deaf is how many Receipts for it still get lost.
	deaf int
	// stored: the cloud has sent a Receipt for it.
	stored bool
	// lost: it was dropped before it was ever sent.
	lost bool
}

// condition is what the tickets are about.
type condition struct {
	ticket  ticket.ID
	device  string
	occurs  int
	active  bool
	cleared bool // at least once
}

const deafEpoch = "018f0000-0000-7000-8000-00000000000"

func newDeafEdge(u topic.Uplink, rng *rand.Rand) *deafEdge {
	return &deafEdge{Uplink: u, rng: rng, logs: map[envelope.Log]*deafLog{
		envelope.Alarm: {name: envelope.Alarm}, envelope.Samples: {name: envelope.Samples},
	}}
}

func (e *deafEdge) epoch() string { return deafEpoch + e.Edge[len(e.Edge)-1:] }

// record makes one more Record of a log; lost is never sent.
func (e *deafEdge) record(log envelope.Log, lost bool) *deafRecord {
	l := e.logs[log]
	seq := envelope.Sequence(len(l.records) + 1)
	r := &deafRecord{lost: lost}
	if e.rng.IntN(10) < 7 {
		r.deaf = 1 + e.rng.IntN(10)
	}
	r.Origin = telemetry.Origin{Boot: fmt.Sprint("boot-", e.machine), MonoMS: int64(seq), EdgeMS: start.UnixMilli(), ClockTrusted: true}
	switch {
	case lost: // what it held nobody knows
	case log == envelope.Alarm:
		r.Transitions = e.happens(seq)
	default:
		r.Samples, r.Events = e.measured(seq)
	}
	l.records = append(l.records, r)
	l.open = l.open.Add(envelope.Range{First: seq, Last: seq})
	return r
}

// measured gives each Record times of its own, over the last ten days.
func (e *deafEdge) measured(seq envelope.Sequence) (ss []telemetry.Sample, es []telemetry.Event) {
	for i := range 1 + e.rng.IntN(4) {
		at := start.UnixMilli() - 10*24*3600_000 + int64(seq)*17_000 + int64(i)*1000
		ss = append(ss, telemetry.Sample{
			Key:  telemetry.SeriesKey{Device: e.Edge + "-lift", Kind: "elevator", Metric: "motor_temp"},
			AtMS: at, DeviceMS: at, EdgeMS: at + 40, Value: float64(e.machine*1_000_000 + int(seq)*10 + i),
		})
	}
	if e.rng.IntN(4) == 0 {
		at := ss[0].AtMS
		es = append(es, telemetry.Event{Device: e.Edge + "-gate", Kind: "access-gate", Name: "opened", AtMS: at, DeviceMS: at, EdgeMS: at})
	}
	return ss, es
}

// happens is one change of one condition: a new one, or one seen before.
func (e *deafEdge) happens(seq envelope.Sequence) []ticket.Transition {
	at := start.UnixMilli() + int64(seq)
	x := ticket.Transition{
		ID: fmt.Sprintf("%s-%d-%d", e.Edge, e.machine, seq), AtMS: at, By: ticket.Actor{Kind: ticket.ByRule, ID: "r"},
		Stamp: ticket.Stamp{WallMS: at, Origin: e.Estate + "/" + e.Edge, Number: uint64(seq)},
	}
	if len(e.conditions) == 0 || e.rng.IntN(6) == 0 {
		n := len(e.conditions)
		c := &condition{ticket: ticket.ID(fmt.Sprintf("t-%s-%d-%d", e.Edge, e.machine, n)), device: fmt.Sprintf("%s-door-%d-%d", e.Edge, e.machine, n), active: true, occurs: 1}
		e.conditions = append(e.conditions, c)
		x.Kind, x.Ticket = ticket.Raise, c.ticket
		x.Subject = &ticket.Subject{
			Estate: e.Estate, Edge: e.Edge, Device: c.device, DeviceKind: "access-gate", Rule: "r", Metric: "forced",
			Fault: ticket.DoorForced, Severity: ticket.Major, Title: ticket.Title{Code: "door_forced"},
		}
		return []ticket.Transition{x}
	}
	c := e.conditions[e.rng.IntN(len(e.conditions))]
	x.Ticket = c.ticket
	if c.active {
		x.Kind, c.active, c.cleared = ticket.Clear, false, true
	} else {
		x.Kind, c.active = ticket.Occur, true
		c.occurs++
	}
	return []ticket.Transition{x}
}

// batch is one Envelope: some of what waits, cut anew, with some of what is
// settled already among it.
func (e *deafEdge) batch(log envelope.Log) (envelope.Envelope, bool) {
	l := e.logs[log]
	x := envelope.Envelope{
		Schema: envelope.SchemaVersion, Estate: e.Estate, Edge: e.Edge, Epoch: e.epoch(), Log: log, Lane: envelope.LaneAlarm,
		Head: envelope.Sequence(len(l.records)),
	}
	if log == envelope.Samples {
		x.Lane = []envelope.Lane{envelope.LaneLive, envelope.LaneBackfill}[e.rng.IntN(2)]
	}
	var covers envelope.RangeSet
	for range 1 + e.rng.IntN(3) {
		if len(l.open) == 0 {
			break
		}
		r := l.open[e.rng.IntN(len(l.open))]
		first := r.First + envelope.Sequence(e.rng.Uint64N(uint64(r.Last-r.First)+1))
		last := min(first+envelope.Sequence(e.rng.IntN(8)), envelope.Sequence(len(l.records)))
		if e.rng.IntN(3) == 0 && first > 3 {
			first -= 3
		}
		covers = covers.Add(envelope.Range{First: first, Last: last})
	}
	for _, r := range covers {
		for seq := r.First; seq <= r.Last; seq++ {
			rec := l.records[seq-1]
			if rec.lost {
				x.Missing = append(x.Missing, gapOf(seq, seq))
				continue
			}
			x.Sequences = append(x.Sequences, envelope.Range{First: seq, Last: seq})
			x.Origin = rec.Origin
			x.Samples = append(x.Samples, rec.Samples...)
			x.Events = append(x.Events, rec.Events...)
			x.Transitions = append(x.Transitions, rec.Transitions...)
		}
	}
	return x, len(covers) > 0
}

func gapOf(first, last envelope.Sequence) envelope.Gap {
	return envelope.Gap{
		Range: envelope.Range{First: first, Last: last}, Reason: "dropped_full",
		FromMS: start.UnixMilli() - 3600_000, ToMS: start.UnixMilli() - 1800_000,
	}
}

// forget is a full disk: it drops some Records that were never sent, and some
// that the cloud has but whose Receipts got lost, and tells of both at once,
// as one piece or as two that overlap.
func (e *deafEdge) forget(log envelope.Log) (out []envelope.Envelope) {
	l := e.logs[log]
	first := envelope.Sequence(len(l.records) + 1)
	for first > 1 && l.records[first-2].stored && !l.records[first-2].lost && first+3 > envelope.Sequence(len(l.records)) {
		first--
	}
	for range 2 + e.rng.IntN(3) {
		e.record(log, true)
	}
	last := envelope.Sequence(len(l.records))
	pieces := []envelope.Gap{gapOf(first, last)}
	if mid := first + (last-first)/2; e.rng.IntN(2) == 0 {
		pieces = []envelope.Gap{gapOf(first, mid), gapOf(max(first, mid-1), last)}
	}
	for _, g := range pieces {
		x, _ := e.batch(log)
		x.Sequences, x.Missing, x.Record = nil, []envelope.Gap{g}, envelope.Record{}
		x.Head = last
		out = append(out, x)
	}
	return out
}

// hear takes a Receipt, if it is not lost on the way.
func (e *deafEdge) hear(r envelope.Receipt) {
	l := e.logs[r.Log]
	for _, x := range r.Sequences {
		for seq := x.First; seq <= x.Last; seq++ {
			rec := l.records[seq-1]
			rec.stored = true
			if rec.deaf--; rec.deaf >= 0 {
				continue
			}
			var left envelope.RangeSet
			for _, o := range l.open {
				for _, part := range (envelope.RangeSet{{First: seq, Last: seq}}).Missing(o) {
					left = left.Add(part)
				}
			}
			l.open = left
		}
	}
}

// clone is a copy of the disk, running as another machine.
func (e *deafEdge) clone() *deafEdge {
	c := newDeafEdge(e.Uplink, e.rng)
	c.session, c.previous, c.machine = e.session, e.previous, e.machine+1
	for name, l := range e.logs {
		for _, r := range l.records {
			same := *r
			c.logs[name].records = append(c.logs[name].records, &same)
		}
		c.logs[name].open = slices.Clone(l.open)
	}
	for _, x := range e.conditions {
		same := *x
		c.conditions = append(c.conditions, &same)
	}
	return c
}
