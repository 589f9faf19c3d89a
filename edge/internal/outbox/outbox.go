package outbox

import (
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// Options bound an Outbox. Clock and Log must be set; the rest has defaults.
type Options struct {
	// MaxBytes bounds both logs together: 2 GiB.
	MaxBytes int64
	// MaxAge is how old samples may get: 35 days. Age counts only while the
	// clock is trusted, and only for records made by a trusted clock.
	MaxAge time.Duration
	// MinFree is what samples leave of the disk. Negative: nothing.
	MinFree int64
	// ReserveBytes is what only alarms may use when the disk is full: 4 MiB.
	// Negative: nothing.
	ReserveBytes int64
	// SettleEvery is how often settled ranges are written: 30 s. More often
	// wears out the disk; less often, more is sent again after a crash.
	SettleEvery time.Duration

	// AlarmSegment and SampleSegment are sizes: 256 KiB and 8 MiB, the latter
	// less if MaxBytes is small.
	AlarmSegment, SampleSegment int64

	Clock clock.Clock
	// Trusted says whether the wall clock may be believed: always, if nil.
	Trusted func() bool
	// Origin completes what is known about the clock of a record that is
	// leased; for one record the answer must always be the same. nil: nothing
	// more is known.
	Origin func(telemetry.Origin) telemetry.Origin
	Log    *slog.Logger
}

func (o *Options) fill() {
	def := func(p *int64, v int64) {
		if *p == 0 {
			*p = v
		}
		*p = max(*p, 0)
	}
	def(&o.MaxBytes, 2<<30)
	def(&o.MinFree, 256<<20)
	def(&o.ReserveBytes, 4<<20)
	def(&o.AlarmSegment, 256<<10)
	def(&o.SampleSegment, max(64<<10, min(8<<20, o.MaxBytes/16)))
	if o.MaxAge == 0 {
		o.MaxAge = 35 * 24 * time.Hour
	}
	if o.SettleEvery == 0 {
		o.SettleEvery = 30 * time.Second
	}
	if o.Trusted == nil {
		o.Trusted = func() bool { return true }
	}
	if o.Origin == nil {
		o.Origin = func(o telemetry.Origin) telemetry.Origin { return o }
	}
}

// side is one of the two logs with what is known about it.
type side struct {
	name envelope.Log
	log  *segment.Log
	// known and damaged are guarded by Outbox.mu. damaged are positions whose
	// damage was counted.
	known   known
	damaged envelope.RangeSet
	// leases are readers kept for the next Lease, guarded by Outbox.leasing.
	leases []*lease
}

// Outbox is open for one process. Its methods are safe for concurrent use.
type Outbox struct {
	fs  vfs.FS
	dir string
	o   Options

	alarm, samples *side
	changed        chan struct{}

	// appending serialises Append and guards aged.
	appending sync.Mutex
	reserve   *reserve
	aged      time.Duration // when age was last looked at

	// leasing serialises Lease.
	leasing sync.Mutex

	// saving serialises writes of the state file; it is taken before mu.
	saving sync.Mutex

	// mu guards the following and both sides' known, for short moments.
	mu      sync.Mutex
	session Session
	losses  []Loss
	dirty   bool
	saved   time.Duration // when the state was last written
	epoch   string
	// epochs are what the state is of, in hex.
	epochs []string
}

// Open opens the outbox in dir, making it if it is not there, and repairs what
// it finds. It fails only if the disk does not answer or a newer version wrote
// what is there.
func Open(fs vfs.FS, dir string, o Options) (*Outbox, error) {
	o.fill()
	b := &Outbox{fs: fs, dir: dir, o: o, changed: make(chan struct{}, 1)}
	for _, d := range []string{dir, path.Join(dir, string(envelope.Alarm)), path.Join(dir, string(envelope.Samples))} {
		if err := fs.MkdirAll(d); err != nil {
			return nil, fmt.Errorf("make outbox folder: %w", err)
		}
	}
	st, stateOK, err := readState(fs, dir)
	if err != nil {
		return nil, err
	}
	var alarm, samples segment.Recovery
	if b.alarm, alarm, err = b.openSide(envelope.Alarm, st.Alarm, o.AlarmSegment); err != nil {
		return nil, err
	}
	if b.samples, samples, err = b.openSide(envelope.Samples, st.Samples, o.SampleSegment); err != nil {
		return nil, err
	}
	if stateOK && !(alarm.New && samples.New) && !st.isOf(b.lives(alarm, samples)) {
		b.o.Log.Error("outbox state is of another outbox")
		st, stateOK = state{}, false
		b.alarm.known, b.samples.known = known{}, known{}
	}
	b.session = st.Session
	b.reserve = newReserve(fs, dir, o.ReserveBytes)
	if err := b.begin(stateOK, alarm, samples); err != nil {
		return nil, err
	}
	b.reserve.top()
	return b, nil
}

func kindOf(l envelope.Log) segment.Kind {
	if l == envelope.Alarm {
		return segment.Alarm
	}
	return segment.Samples
}

func (b *Outbox) openSide(name envelope.Log, st knownState, segmentBytes int64) (*side, segment.Recovery, error) {
	s := &side{name: name}
	var err error
	if s.known, err = st.load(); err != nil {
		// The checksum held, so we wrote it: what it says is not usable, but
		// resending is harmless.
		b.o.Log.Error("outbox state is not usable", "log", name, "err", err)
		s.known = known{}
	}
	var r segment.Recovery
	s.log, r, err = segment.Open(b.fs, path.Join(b.dir, string(name)), path.Join(b.dir, string(name)+".mark"), kindOf(name),
		segment.Options{SegmentBytes: segmentBytes, Floor: st.newest()})
	if err != nil {
		return nil, r, err
	}
	for _, n := range r.Notes {
		b.o.Log.Warn("outbox repaired", "log", name, "note", n)
	}
	return s, r, nil
}

// lives are all that the logs know of.
func (b *Outbox) lives(found ...segment.Recovery) (out []segment.Life) {
	for _, r := range found {
		out = append(out, r.MarkLife)
	}
	for _, s := range b.sides() {
		out = append(out, s.log.Life())
		for _, seg := range s.log.Segments() {
			out = append(out, seg.Life)
		}
	}
	return out
}

// begin starts a new epoch of both logs unless both can go on in theirs.
func (b *Outbox) begin(stateOK bool, alarm, samples segment.Recovery) error {
	life := b.alarm.log.Life()
	if stateOK && alarm.Proven && samples.Proven && life.ID == b.samples.log.Life().ID {
		b.become(life.ID)
		return nil
	}
	isNew := alarm.New && samples.New
	if !stateOK && !isNew {
		b.o.Log.Error("outbox state is missing or damaged: what waits is sent again")
		b.alarm.forgetEarlier()
		b.samples.forgetEarlier()
	}
	b.lost(b.alarm, alarm)
	b.lost(b.samples, samples)
	id, err := uuid.NewV7()
	if err != nil {
		return fmt.Errorf("make epoch: %w", err)
	}
	for _, l := range []segment.Life{b.alarm.log.Life(), b.samples.log.Life(), {ID: id}} {
		if l.ID != [16]byte{} {
			b.epochs = append(b.epochs, hex.EncodeToString(l.ID[:]))
		}
	}
	if err := b.persist(); err != nil {
		return err
	}
	if err := errors.Join(b.alarm.log.Begin(id), b.samples.log.Begin(id)); err != nil {
		return err
	}
	b.become(id)
	if !isNew {
		b.o.Log.Warn("outbox begins a new epoch", "epoch", b.epoch)
	}
	return nil
}

func (b *Outbox) become(id uuid.UUID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.epoch, b.epochs = id.String(), []string{hex.EncodeToString(id[:])}
}

// forgetEarlier takes all before the first segment as answered: without a
// state nothing can be said about it, neither that it was settled nor that it
// was lost.
func (s *side) forgetEarlier() {
	if segs := s.log.Segments(); len(segs) > 0 && segs[0].First > 1 {
		s.known.settle(1, segs[0].First-1)
	}
}

// lost notes the records that a log says to have lost.
func (b *Outbox) lost(s *side, r segment.Recovery) {
	first := max(r.LostFirst, r.LostLife.Base+1)
	if r.LostLast == 0 || first > r.LostLast {
		return
	}
	g := gap{First: first, Last: r.LostLast, Life: r.LostLife, Reason: reasonLost}
	for _, seg := range s.log.Segments() {
		g.FromMS = max(g.FromMS, seg.NewestMS)
	}
	if b.o.Trusted() {
		g.ToMS = clock.NowMS(b.o.Clock) // not later than this
	}
	n := s.known.lose(g)
	b.lostLocked(Loss{Log: s.name, Reason: reasonLost, Records: n, FromMS: g.FromMS, ToMS: g.ToMS})
	b.o.Log.Error("acknowledged records are gone from the log's end", "log", s.name, "records", n)
}

// Close writes what is known and closes both logs. Nothing that was
// acknowledged depends on it.
func (b *Outbox) Close() error {
	b.leasing.Lock()
	for _, s := range b.sides() {
		s.dropLeases()
	}
	b.leasing.Unlock()
	return errors.Join(b.persist(), b.alarm.log.Close(), b.samples.log.Close())
}

func (b *Outbox) sides() []*side { return []*side{b.alarm, b.samples} }

func (b *Outbox) side(l envelope.Log) *side {
	if l == envelope.Alarm {
		return b.alarm
	}
	return b.samples
}

// Changed receives after records were appended. It is meant for one listener
// and forgets what it could not deliver: a wake-up, not a count.
func (b *Outbox) Changed() <-chan struct{} { return b.changed }

// Epoch is the current epoch, a UUIDv7.
func (b *Outbox) Epoch() string { return b.epoch }

// Heads tells, for each log, the newest Sequence of the current epoch and the
// oldest that is not settled (one above the newest if all are).
func (b *Outbox) Heads() []envelope.LogHead {
	var out []envelope.LogHead
	for _, s := range b.sides() {
		base, last := s.log.Life().Base, max(s.log.Last(), s.log.Life().Base)
		b.mu.Lock()
		oldest := max(min(s.known.oldest(base+1), last+1), base+1)
		b.mu.Unlock()
		out = append(out, envelope.LogHead{
			Log: s.name, Head: envelope.Sequence(last - base), Oldest: envelope.Sequence(oldest - base),
		})
	}
	return out
}

// Ends of a log's positions.
const (
	// First is at or before every position.
	First uint64 = 1
	// Last is behind every position.
	Last uint64 = math.MaxInt64
)
