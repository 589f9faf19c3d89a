package outbox

import (
	"math"
	"slices"

	"github.com/linshao/linshao/protocol/envelope"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
)

// Reasons of gaps [P-4.4].
const (
	reasonDamaged = "damaged"
	reasonFull    = "dropped_full"
	reasonAge     = "dropped_age"
	reasonLost    = "lost"
)

// maxGaps bounds the gaps that are kept apart; beyond it neighbours merge, so
// that a long struggle for space costs detail and not memory.
const maxGaps = 1024

// gap is a run of positions of one life whose records are gone and of which
// the cloud has not been told, as far as we know.
type gap struct {
	First, Last  segment.Index
	Life         segment.Life
	Reason       string
	FromMS, ToMS int64
}

// known is what is known about the records of one log. It is plain memory;
// the Outbox guards it.
type known struct {
	// settled are the positions that the cloud has answered, as ranges.
	settled envelope.RangeSet
	// gaps are ascending and do not overlap.
	gaps []gap
}

func span(first, last segment.Index) envelope.Range {
	return envelope.Range{First: envelope.Sequence(first), Last: envelope.Sequence(last)}
}

// settle takes first to last as answered, gaps within included.
func (k *known) settle(first, last segment.Index) {
	k.settled = k.settled.Add(span(first, last))
	k.gaps = slices.DeleteFunc(k.gaps, func(g gap) bool { return k.settled.Contains(span(g.First, g.Last)) })
}

// unsettled returns the parts of first to last that are not answered.
func (k *known) unsettled(first, last segment.Index) []envelope.Range {
	if last < first {
		return nil
	}
	return k.settled.Missing(span(first, last))
}

// oldest is the first position from on that is not answered.
func (k *known) oldest(from segment.Index) segment.Index {
	return segment.Index(k.unsettled(from, math.MaxInt64)[0].First)
}

// settledTo returns the end of the settled range around i; false if i is not
// settled.
func (k *known) settledTo(i segment.Index) (segment.Index, bool) {
	at, ok := k.rangeAt(i)
	if !ok {
		return 0, false
	}
	return segment.Index(k.settled[at].Last), true
}

func (k *known) rangeAt(i segment.Index) (int, bool) {
	at, _ := slices.BinarySearchFunc(k.settled, envelope.Sequence(i), func(r envelope.Range, s envelope.Sequence) int {
		if r.Last < s {
			return -1
		}
		return 1
	})
	return at, at < len(k.settled) && k.settled[at].First <= envelope.Sequence(i)
}

// gapAt returns the gap that i lies in.
func (k *known) gapAt(i segment.Index) (gap, bool) {
	for _, g := range k.gaps {
		if g.First <= i && i <= g.Last {
			return g, true
		}
	}
	return gap{}, false
}

// plainUntil returns the end of the run from i on, at most last, in which
// nothing is settled and no gap is known. i itself must be such.
func (k *known) plainUntil(i, last segment.Index) segment.Index {
	if at, _ := k.rangeAt(i); at < len(k.settled) {
		last = min(last, segment.Index(k.settled[at].First)-1)
	}
	for _, g := range k.gaps {
		if g.First > i {
			last = min(last, g.First-1)
		}
	}
	return last
}

// lose notes g as gone, but for what is settled or known as gone already. It
// returns how many positions that is.
func (k *known) lose(g gap) (n uint64) {
	without := k.settled
	for _, old := range k.gaps {
		without = without.Add(span(old.First, old.Last))
	}
	for _, r := range without.Missing(span(g.First, g.Last)) {
		part := g
		part.First, part.Last = segment.Index(r.First), segment.Index(r.Last)
		k.gaps = append(k.gaps, part)
		n += uint64(r.Last-r.First) + 1
	}
	slices.SortFunc(k.gaps, func(a, b gap) int { return int(int64(a.First) - int64(b.First)) })
	k.mergeGaps()
	return n
}

// mergeGaps joins neighbours that tell the same, and, where there are too many,
// those that do not.
func (k *known) mergeGaps() {
	tooMany := len(k.gaps) > maxGaps
	var out []gap
	for _, g := range k.gaps {
		if n := len(out); n > 0 && out[n-1].Last+1 == g.First && out[n-1].Life == g.Life && (out[n-1].Reason == g.Reason || tooMany) {
			p := &out[n-1]
			if p.FromMS == 0 || g.FromMS != 0 && g.FromMS < p.FromMS {
				p.FromMS = g.FromMS
			}
			p.Last, p.ToMS = g.Last, max(p.ToMS, g.ToMS)
			continue
		}
		out = append(out, g)
	}
	k.gaps = out
}
