package outbox

import (
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/telemetry"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
)

// keptLeases is how many readers are kept per log: as many as there are places
// that an uplink reads from at once.
const keptLeases = 3

// lease is a reader kept open where the last Lease ended.
type lease struct {
	r *segment.Reader
	// peeked is what was read and not taken; its First is the position.
	peeked *segment.Entry
}

func (l *lease) at() segment.Index {
	if l.peeked != nil {
		return l.peeked.First
	}
	return l.r.At()
}

// Ends returns the positions between which everything of log lies that waits:
// the oldest that is not settled, and the one behind the newest record.
func (b *Outbox) Ends(log envelope.Log) (oldest, end uint64) {
	s := b.side(log)
	last := s.log.Last()
	b.mu.Lock()
	defer b.mu.Unlock()
	return uint64(min(s.known.oldest(1), last+1)), uint64(last) + 1
}

// Lease returns, as one Envelope without estate, edge and lane, what waits in
// log at positions from <= p < to: whole records of one epoch, merged, in
// order, with a content of at most about maxBytes unless the first record alone
// is larger; positions that hold nothing to send are covered [P-2.5], and those
// that are gone are reported as gaps. next is where to go on; it is to, or
// further, or where nothing is yet, when there is no more. An Envelope without
// Sequences and gaps means that nothing waits there.
//
// Leasing changes nothing: what is leased and never settled is leased again by
// whoever asks for it. The Envelope's slices belong to the caller.
func (b *Outbox) Lease(log envelope.Log, from, to uint64, maxBytes int) (e envelope.Envelope, next uint64, err error) {
	b.leasing.Lock()
	defer b.leasing.Unlock()
	s := b.side(log)
	p := parcel{maxBytes: maxBytes}
	pos, end := max(segment.Index(from), 1), segment.Index(to)
	for pos < end && !p.full {
		more, after, err := b.step(s, &p, pos, end)
		if err != nil {
			return envelope.Envelope{}, from, fmt.Errorf("read %s log: %w", log, err)
		}
		pos = after
		if !more {
			break
		}
	}
	if p.begun {
		p.e.Schema, p.e.Log = envelope.SchemaVersion, log
		p.e.Epoch = uuid.UUID(p.life.ID).String()
		p.e.Head = p.life.sequence(s.log.Last())
		if p.life.Life != s.log.Life() {
			p.e.Head = p.last
		}
	}
	return p.e, uint64(pos), nil
}

// step takes what is at pos into p and returns where to go on; more is false
// if there is nothing yet, or if it does not fit any more.
func (b *Outbox) step(s *side, p *parcel, pos, end segment.Index) (more bool, next segment.Index, err error) {
	b.mu.Lock()
	settled, isSettled := s.known.settledTo(pos)
	g, isGap := s.known.gapAt(pos)
	plain := s.known.plainUntil(pos, end-1)
	b.mu.Unlock()
	switch {
	case isSettled:
		return true, settled + 1, nil
	case isGap:
		last := min(g.Last, end-1)
		if !p.miss(life{g.Life}, pos, last, g) {
			return false, pos, nil
		}
		return true, last + 1, nil
	}
	l, ent, err := s.peek(pos)
	if errors.Is(err, io.EOF) {
		return false, pos, nil
	}
	if err != nil {
		return false, pos, err
	}
	if ent.What == segment.Record {
		if !b.take(s, p, ent) {
			return false, pos, nil
		}
		l.peeked = nil
		return true, pos + 1, nil
	}
	last := min(ent.Last, plain)
	switch {
	case ent.What == segment.Damaged:
		if !p.miss(life{ent.Life}, pos, last, gap{Reason: reasonDamaged, FromMS: ent.FromMS, ToMS: ent.ToMS}) {
			return false, pos, nil
		}
		b.noteDamage(s, pos, last, ent.FromMS, ent.ToMS)
	case ent.Life.Base >= pos:
		// Numbers that the life before left unused: nobody waits for them.
		last = min(last, ent.Life.Base)
		b.mu.Lock()
		s.known.settle(pos, last)
		b.dirty = true
		b.mu.Unlock()
	default:
		if !p.cover(life{ent.Life}, pos, last) {
			return false, pos, nil
		}
	}
	if last == ent.Last {
		l.peeked = nil
	} else {
		l.peeked.First = last + 1
	}
	return true, last + 1, nil
}

// take puts a record into p if it fits.
func (b *Outbox) take(s *side, p *parcel, ent *segment.Entry) bool {
	r, err := envelope.DecodeRecord(ent.Body)
	if err != nil {
		// The checksum holds, so this is not the disk's fault; it would be
		// no better next time.
		if !p.miss(life{ent.Life}, ent.First, ent.First, gap{Reason: reasonDamaged, FromMS: ent.TimeMS, ToMS: ent.TimeMS}) {
			return false
		}
		b.o.Log.Error("outbox record cannot be decoded", "log", s.name, "position", ent.First, "err", err)
		b.noteDamage(s, ent.First, ent.First, ent.TimeMS, ent.TimeMS)
		return true
	}
	if r.Local || r.Checkpoint != nil {
		return p.cover(life{ent.Life}, ent.First, ent.First)
	}
	r.Origin = b.o.Origin(r.Origin)
	return p.add(life{ent.Life}, ent.First, r, len(ent.Body))
}

// noteDamage counts damage once.
func (b *Outbox) noteDamage(s *side, first, last segment.Index, fromMS, toMS int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, r := range s.damaged.Missing(span(first, last)) {
		b.lostLocked(Loss{Log: s.name, Reason: reasonDamaged, Records: uint64(r.Last-r.First) + 1, FromMS: fromMS, ToMS: toMS})
	}
	s.damaged = s.damaged.Add(span(first, last))
}

// peek returns what a reader finds at pos without taking it.
func (s *side) peek(pos segment.Index) (*lease, *segment.Entry, error) {
	l := s.leaseAt(pos)
	if l.peeked != nil {
		return l, l.peeked, nil
	}
	e, err := l.r.Next()
	if err != nil {
		return nil, nil, err
	}
	l.peeked = &e
	return l, l.peeked, nil
}

// leaseAt returns the reader that is at pos, the newest used first.
func (s *side) leaseAt(pos segment.Index) *lease {
	for i, l := range s.leases {
		if l.at() == pos {
			copy(s.leases[1:i+1], s.leases[:i])
			s.leases[0] = l
			return l
		}
	}
	l := &lease{r: s.log.NewReader(pos)}
	s.leases = append([]*lease{l}, s.leases...)
	if n := len(s.leases); n > keptLeases {
		s.leases[n-1].r.Close()
		s.leases = s.leases[:n-1]
	}
	return l
}

func (s *side) dropLeases() {
	for _, l := range s.leases {
		l.r.Close()
	}
	s.leases = nil
}

// life adds the way from positions to Sequences.
type life struct{ segment.Life }

func (l life) sequence(i segment.Index) envelope.Sequence { return envelope.Sequence(i - l.Base) }

// parcel is an Envelope being filled.
type parcel struct {
	e        envelope.Envelope
	maxBytes int
	life     life
	last     envelope.Sequence
	// begun: life is set. full: nothing more fits.
	begun, full bool
	bytes       int
}

// enter reports whether something of life l can join.
func (p *parcel) enter(l life) bool {
	if p.begun && p.life != l || len(p.e.Sequences)+len(p.e.Missing) >= limit.MaxRanges {
		p.full = true
		return false
	}
	p.begun, p.life = true, l
	return true
}

// cover takes positions that have nothing to send.
func (p *parcel) cover(l life, first, last segment.Index) bool {
	if !p.enter(l) {
		return false
	}
	r := envelope.Range{First: l.sequence(first), Last: l.sequence(last)}
	if n := len(p.e.Sequences); n > 0 && p.e.Sequences[n-1].Last+1 == r.First {
		p.e.Sequences[n-1].Last = r.Last
	} else {
		p.e.Sequences = append(p.e.Sequences, r)
	}
	p.last = r.Last
	return true
}

// miss takes positions that are gone.
func (p *parcel) miss(l life, first, last segment.Index, g gap) bool {
	if !p.enter(l) {
		return false
	}
	r := envelope.Range{First: l.sequence(first), Last: l.sequence(last)}
	p.e.Missing = append(p.e.Missing, envelope.Gap{Range: r, Reason: g.Reason, FromMS: g.FromMS, ToMS: g.ToMS})
	p.last = r.Last
	return true
}

func sameClock(a, b telemetry.Origin) bool {
	a.MonoMS, a.EdgeMS, b.MonoMS, b.EdgeMS = 0, 0, 0, 0
	return a == b
}

// add takes a record if what is in p already leaves room for it. Records of
// different boots, or of clocks of which different things are known, are not
// mixed: an Envelope has one Origin.
func (p *parcel) add(l life, at segment.Index, r envelope.Record, size int) bool {
	if p.bytes > 0 {
		if p.bytes+size > min(p.maxBytes, maxSent) ||
			len(p.e.Samples)+len(r.Samples) > limit.MaxEnvelopeSamples ||
			len(p.e.Transitions)+len(r.Transitions) > limit.MaxTransitionsPerEnvelope ||
			!sameClock(p.e.Origin, r.Origin) {
			p.full = true
			return false
		}
	}
	if !p.cover(l, at, at) {
		return false
	}
	if p.bytes == 0 {
		p.e.Origin = r.Origin
	}
	p.bytes += size
	p.e.Samples = append(p.e.Samples, r.Samples...)
	p.e.Events = append(p.e.Events, r.Events...)
	p.e.Transitions = append(p.e.Transitions, r.Transitions...)
	return true
}
