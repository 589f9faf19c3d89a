package outbox

import (
	"errors"
	"fmt"
	"time"

	"github.com/linshao/linshao/edge/internal/vfs"
)

// ErrFull: samples would need more of the disk than they may have, and none of
// them can be dropped. Alarms still find room.
var ErrFull = errors.New("outbox has no room for samples")

const (
	// smallestSegment is what the samples log makes do with on a full disk.
	smallestSegment = 64 << 10
	// slack is what the small files beside a new segment may take.
	slack = 64 << 10
	// ageEvery is how often the age of the oldest samples is looked at.
	ageEvery = time.Second
)

// admit makes room for need bytes of samples, or fails. Rather than drop
// something it makes do with a smaller segment. The caller holds appending.
func (b *Outbox) admit(need int64) error {
	b.dropAged()
	if b.samples.log.Fits(need) {
		return nil
	}
	b.reserve.top()
	allowed, err := b.allowance()
	if err != nil {
		return err
	}
	smallest := max(smallestSegment, need+slack)
	for allowed < smallest {
		freed, err := b.dropOldest(reasonFull)
		if err != nil {
			return err
		}
		if freed == 0 {
			return fmt.Errorf("%d bytes needed, %d allowed: %w", smallest, max(allowed, 0), ErrFull)
		}
		allowed += freed // the disk may be slow to say so
	}
	b.samples.log.Resize(min(b.o.SampleSegment, allowed))
	return nil
}

// allowance is how many bytes more the samples log may take now.
func (b *Outbox) allowance() (int64, error) {
	free, err := b.fs.Free(b.dir)
	if err != nil {
		return 0, fmt.Errorf("ask for free space: %w", err)
	}
	return min(b.o.MaxBytes-b.bytes(), free-b.o.MinFree-b.reserve.missing()), nil
}

func (b *Outbox) bytes() (n int64) {
	for _, s := range b.sides() {
		for _, seg := range s.log.Segments() {
			n += seg.Bytes
		}
	}
	return n
}

// dropOldest gives up the oldest segment of samples. What in it is not settled
// becomes a gap, durable before the segment goes. It returns the bytes freed,
// 0 if only the last segment is left: that one always stays.
func (b *Outbox) dropOldest(reason string) (freed int64, err error) {
	segs := b.samples.log.Segments()
	if len(segs) < 2 {
		return 0, nil
	}
	s := segs[0]
	from := oldestMS(b.samples.log, s.First)
	b.saving.Lock() // so that dirty tells how the last write ended
	b.mu.Lock()
	n := b.samples.known.lose(gap{First: s.First, Last: s.Last, Life: s.Life, Reason: reason, FromMS: from, ToMS: s.NewestMS})
	b.lostLocked(Loss{Log: b.samples.name, Reason: reason, Records: n, FromMS: from, ToMS: s.NewestMS})
	unsaved := n > 0 || b.dirty // an earlier try may have noted the gap and failed to write it
	b.mu.Unlock()
	b.saving.Unlock()
	if unsaved {
		if err := b.persistGap(); err != nil {
			return 0, err
		}
	}
	if n > 0 {
		b.o.Log.Warn("outbox drops its oldest samples", "reason", reason, "records", n, "newest_ms", s.NewestMS)
	}
	if err := b.samples.log.Truncate(segs[1].First); err != nil {
		return 0, err
	}
	b.leasing.Lock()
	b.samples.dropLeases() // an open file would keep its space
	b.leasing.Unlock()
	b.wake() // the gap is news
	return s.Bytes, nil
}

// persistGap makes a gap durable. On a disk that is full to the last byte the
// room comes from the very segment that is given up: should the process die in
// between, its records are found damaged, and so reported all the same.
func (b *Outbox) persistGap() error {
	err := b.persist()
	if !vfs.IsDiskFull(err) {
		return err
	}
	if err := b.samples.log.Hollow(); err != nil {
		return err
	}
	return b.persist()
}

// dropAged gives up segments whose newest sample is too old. Where a clock was
// not trusted, then or now, nothing is.
func (b *Outbox) dropAged() {
	mono := b.o.Clock.Mono()
	if b.aged != 0 && mono-b.aged < ageEvery || !b.o.Trusted() {
		return
	}
	b.aged = mono
	limitMS := b.o.Clock.Now().Add(-b.o.MaxAge).UnixMilli()
	for {
		segs := b.samples.log.Segments()
		if len(segs) < 2 || segs[0].NewestMS == 0 || segs[0].NewestMS >= limitMS {
			return
		}
		if _, err := b.dropOldest(reasonAge); err != nil {
			b.o.Log.Error("outbox cannot drop what is too old", "err", err)
			return
		}
	}
}
