package outbox

import (
	"fmt"

	"github.com/google/uuid"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
)

// Settle takes a Receipt: its Sequences, stored or rejected, are answered and
// will not be leased again. What it says about Sequences that were never given
// out, or about an epoch that nothing waits of, is ignored. It may be given
// the same Receipt any number of times.
//
// Settled ranges reach the disk within SettleEvery and at Close; until then a
// crash only makes the cloud see records again that it has. An error means that segments could not be removed; what
// was settled stays settled.
func (b *Outbox) Settle(r envelope.Receipt) error {
	if r.Verdict != envelope.Stored && r.Verdict != envelope.Rejected || r.Log != envelope.Alarm && r.Log != envelope.Samples {
		return nil
	}
	id, err := uuid.Parse(r.Epoch)
	if err != nil {
		return fmt.Errorf("receipt for epoch %q: %w", r.Epoch, err)
	}
	s := b.side(r.Log)
	base, last, ok := s.extent(id, b.gapsOf(s))
	if !ok {
		return nil
	}
	b.mu.Lock()
	for _, q := range r.Sequences {
		first, end := base+segment.Index(q.First), base+segment.Index(q.Last)
		if q.First < 1 || q.Last < q.First || q.First > envelope.Sequence(last-base) {
			continue
		}
		if q.Last > envelope.Sequence(last-base) {
			end = last
		}
		s.known.settle(first, end)
	}
	b.dirty = true
	due := b.o.Clock.Mono()-b.saved >= b.o.SettleEvery
	b.mu.Unlock()
	if err := b.forget(s); err != nil {
		return err
	}
	if due {
		return b.persist()
	}
	return nil
}

func (b *Outbox) gapsOf(s *side) []gap {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]gap(nil), s.known.gaps...)
}

// extent returns the base of the life with that id and the newest position
// that it has reached; false if nothing is left of it.
func (s *side) extent(id [16]byte, gaps []gap) (base, last segment.Index, ok bool) {
	take := func(l segment.Life, newest segment.Index) {
		if l.ID == id {
			base, last, ok = l.Base, max(last, newest), true
		}
	}
	for _, seg := range s.log.Segments() {
		take(seg.Life, seg.Last)
	}
	for _, g := range gaps {
		take(g.Life, g.Last)
	}
	return base, last, ok
}

// forget removes segments of which everything is settled, and of the alarm log
// only those before the newest checkpoint.
func (b *Outbox) forget(s *side) error {
	segs := s.log.Segments()
	if len(segs) < 2 {
		return nil
	}
	b.mu.Lock()
	before := s.known.oldest(segs[0].First)
	b.mu.Unlock()
	if s.name == envelope.Alarm {
		before = min(before, newestAnchor(segs))
	}
	if before <= segs[0].Last {
		return nil
	}
	chaos.At("outbox.forget.before")
	if err := s.log.Truncate(before); err != nil {
		return fmt.Errorf("forget settled %s records: %w", s.name, err)
	}
	return nil
}

func newestAnchor(segs []segment.Segment) (a segment.Index) {
	for _, s := range segs {
		a = max(a, s.Anchor)
	}
	return a
}
