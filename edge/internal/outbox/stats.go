package outbox

import (
	"fmt"
	"path"
	"slices"

	"github.com/google/uuid"

	"github.com/linshao/linshao/protocol/envelope"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// Waiting is what waits in one log.
type Waiting struct {
	Log envelope.Log `json:"log"`
	// Records are those not settled, the edge's own memory included.
	Records uint64 `json:"records"`
	// Missing are positions that are gone and of which the cloud has not
	// been told.
	Missing uint64 `json:"missing"`
	// OldestMS is the edge's time of the oldest of Records, 0 if there is none
	// or it was made by an untrusted clock.
	OldestMS int64 `json:"oldest_ms"`
	// Head is the newest Sequence of the current epoch.
	Head     envelope.Sequence `json:"head"`
	Segments int               `json:"segments"`
	Bytes    int64             `json:"bytes"`
}

// Stats is what operators are shown.
type Stats struct {
	Epoch   string  `json:"epoch"`
	Alarm   Waiting `json:"alarm"`
	Samples Waiting `json:"samples"`
	Bytes   int64   `json:"bytes"`
	// Free is what is left of the disk.
	Free int64 `json:"free_bytes"`
	// Dropped counts records that are gone since the start, by the reason of
	// their gap.
	Dropped map[string]uint64 `json:"dropped"`
	// Losses say the same by log, and from when to when.
	Losses []Loss `json:"losses,omitempty"`
	// Notes say what an opening would repair, Quarantined what of the logs is
	// damaged; only Inspect tells.
	Notes       []string      `json:"notes,omitempty"`
	Quarantined []Quarantined `json:"quarantined,omitempty"`
}

// Stats returns what waits now.
func (b *Outbox) Stats() Stats {
	st := Stats{Epoch: b.epoch, Alarm: b.waiting(b.alarm), Samples: b.waiting(b.samples)}
	b.mu.Lock()
	st.Losses, st.Dropped = slices.Clone(b.losses), map[string]uint64{}
	b.mu.Unlock()
	for _, l := range st.Losses {
		st.Dropped[l.Reason] += l.Records
	}
	st.Bytes = st.Alarm.Bytes + st.Samples.Bytes
	st.Free, _ = b.fs.Free(b.dir)
	return st
}

// Waits counts the records of log at positions from <= p < to that are not
// settled, and returns the time of the oldest, 0 if there is none or it was
// made by an untrusted clock.
func (b *Outbox) Waits(log envelope.Log, from, to uint64) (records uint64, oldest int64) {
	s := b.side(log)
	segs := s.log.Segments()
	first := max(segment.Index(from), 1)
	b.mu.Lock()
	n := s.known.count(segs, first, segment.Index(to)-1)
	at := s.known.oldest(first)
	b.mu.Unlock()
	if n == 0 {
		return 0, 0
	}
	return n, oldestMS(s.log, at)
}

// count counts unsettled records of segs in first to last.
func (k *known) count(segs []segment.Segment, first, last segment.Index) (n uint64) {
	for _, s := range segs {
		for _, r := range k.unsettled(max(s.First, first), min(s.Last, last)) {
			n += uint64(r.Last-r.First) + 1
		}
	}
	return n
}

func (b *Outbox) waiting(s *side) Waiting {
	b.mu.Lock()
	k := known{settled: s.known.settled, gaps: append([]gap(nil), s.known.gaps...)}
	b.mu.Unlock()
	return k.waiting(s.name, s.log)
}

func (k *known) waiting(name envelope.Log, log *segment.Log) Waiting {
	segs := log.Segments()
	w := Waiting{Log: name, Segments: len(segs)}
	for _, s := range segs {
		w.Bytes += s.Bytes
	}
	if base, last := log.Life().Base, log.Last(); last > base {
		w.Head = envelope.Sequence(last - base)
	}
	for _, g := range k.gaps {
		for _, r := range k.unsettled(g.First, g.Last) {
			w.Missing += uint64(r.Last-r.First) + 1
		}
	}
	if len(segs) == 0 {
		return w
	}
	w.Records = k.count(segs, segs[0].First, log.Last())
	w.OldestMS = oldestMS(log, k.oldest(segs[0].First))
	return w
}

// oldestMS is the time of the first record from there on that has one and can
// be read; only a few are tried.
func oldestMS(log *segment.Log, from segment.Index) int64 {
	r := log.NewReader(from)
	defer r.Close()
	for range 8 {
		e, err := r.Next()
		if err != nil {
			return 0
		}
		if e.What == segment.Record && e.TimeMS != 0 {
			return e.TimeMS
		}
	}
	return 0
}

// Inspect tells what waits in the outbox in dir without changing anything, also
// beside the daemon that uses it. It reads both logs to their ends.
func Inspect(fs vfs.FS, dir string) (Stats, error) {
	state, ok, err := readState(fs, dir)
	if err != nil {
		return Stats{}, err
	}
	var st Stats
	if !ok {
		st.Notes = append(st.Notes, "state: missing or damaged, everything counts as waiting")
	}
	inspect := func(name envelope.Log, ks knownState) (Waiting, error) {
		k, err := ks.load()
		if err != nil {
			st.Notes = append(st.Notes, fmt.Sprintf("%s: %v", name, err))
		}
		log, r, err := segment.Inspect(fs, path.Join(dir, string(name)), path.Join(dir, string(name)+".mark"), kindOf(name))
		if err != nil {
			return Waiting{}, err
		}
		for _, n := range r.Notes {
			st.Notes = append(st.Notes, fmt.Sprintf("%s: %s", name, n))
		}
		if life := log.Life(); life.ID != [16]byte{} {
			st.Epoch = uuid.UUID(life.ID).String()
		}
		q, err := quarantined(fs, dir, name, log)
		if err != nil {
			return Waiting{}, err
		}
		st.Quarantined = append(st.Quarantined, q...)
		return k.waiting(name, log), nil
	}
	if st.Alarm, err = inspect(envelope.Alarm, state.Alarm); err != nil {
		return Stats{}, err
	}
	if st.Samples, err = inspect(envelope.Samples, state.Samples); err != nil {
		return Stats{}, err
	}
	st.Bytes = st.Alarm.Bytes + st.Samples.Bytes
	st.Free, err = fs.Free(dir)
	return st, err
}
