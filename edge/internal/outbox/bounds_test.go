package outbox_test

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/envelope"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// wide makes a record of about a kilobyte.
func (r *rig) wide(v int) envelope.Record {
	rec := r.sample(v)
	rec.Samples[0].Text = noise(v, 1000)
	return rec
}

func TestAboveMaxBytesTheOldestSamplesGoAsGaps(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.o.MaxBytes, r.o.SampleSegment = 1<<20, 64<<10
	r.open()
	check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm("first")}, nil))
	const n = 3000
	for i := range n {
		check(t, r.box.Append(r.ctx, nil, []envelope.Record{r.wide(i)}))
		if b := r.box.Stats().Bytes; b > 1<<20 {
			t.Fatalf("%d bytes after %d records", b, i)
		}
	}
	st := r.box.Stats()
	gone := int(st.Dropped["dropped_full"])
	if gone < n/2 || st.Samples.Missing != uint64(gone) || int(st.Samples.Records) != n-gone {
		t.Errorf("%+v", st)
	}
	r.open() // gaps survive
	r.drain(envelope.Samples, true)
	r.drain(envelope.Alarm, true)
	r.cloud.wantNoHoles(t)
	if len(r.cloud.values) != n-gone || r.cloud.values[0] != gone || len(r.cloud.raised) != 1 {
		t.Errorf("cloud has %d samples from %d on", len(r.cloud.values), r.cloud.values[0])
	}
	for _, gs := range r.cloud.gaps {
		for _, g := range gs {
			if g.Reason != "dropped_full" || g.ToMS != start.UnixMilli() {
				t.Errorf("gap %+v", g)
			}
		}
	}
	if st := r.box.Stats(); st.Samples.Missing != 0 || st.Samples.Records != 0 {
		t.Errorf("after the drain: %+v", st)
	}
}

func TestWhatIsSettledIsNotReportedAsDropped(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.o.MaxBytes, r.o.SampleSegment = 1<<20, 64<<10
	r.open()
	for i := range 300 {
		check(t, r.box.Append(r.ctx, nil, []envelope.Record{r.wide(i)}))
	}
	e, _, err := r.box.Lease(envelope.Samples, 11, 301, 1<<20) // all but the first ten
	for pos := uint64(11); len(e.Sequences) > 0; {
		check(t, err)
		check(t, r.box.Settle(r.cloud.take(t, e)))
		e, pos, err = r.box.Lease(envelope.Samples, pos, 301, 1<<20)
	}
	for i := range 700 {
		check(t, r.box.Append(r.ctx, nil, []envelope.Record{r.wide(300 + i)}))
	}
	if n := r.box.Stats().Dropped["dropped_full"]; n != 10 {
		t.Errorf("%d reported as dropped, want the 10 unsettled", n)
	}
}

func TestOldSamplesGoByAgeUnlessTheClockIsDoubtful(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	trusted := false
	r.o.MaxAge, r.o.Trusted = 24*time.Hour, func() bool { return trusted }
	r.open()
	r.samples(0, 200)
	for i := range 60 {
		check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm(fmt.Sprint(i))}, nil))
	}
	r.clock.Advance(25 * time.Hour)
	r.samples(200, 1)
	if n := r.box.Stats().Dropped["dropped_age"]; n != 0 {
		t.Errorf("%d dropped by a clock that is not trusted", n)
	}
	trusted = true
	r.clock.Advance(2 * time.Second)
	r.samples(201, 1)
	st := r.box.Stats()
	if n := st.Dropped["dropped_age"]; n < 100 || n > 200 {
		t.Errorf("%d of 200 dropped", n)
	}
	if st.Alarm.Records != 60 {
		t.Errorf("%d alarms left", st.Alarm.Records)
	}
	r.drain(envelope.Samples, true)
	r.cloud.wantNoHoles(t)
}

func TestRecordsOfADoubtfulClockDoNotAge(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.o.MaxAge = time.Hour
	r.open()
	for i := range 200 {
		rec := r.sample(i)
		rec.Origin.ClockTrusted, rec.Origin.EdgeMS = false, 1000 // 1970
		check(t, r.box.Append(r.ctx, nil, []envelope.Record{rec}))
	}
	r.clock.Advance(48 * time.Hour)
	r.samples(200, 1)
	if n := r.box.Stats().Dropped["dropped_age"]; n != 0 {
		t.Errorf("%d dropped", n)
	}
}

// A disk that others fill: samples stop being acknowledged, alarms go on from
// the reserve, everything works again when there is space.
func TestAFullDiskStopsSamplesNotAlarms(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	m.SetCapacity(16 << 20)
	r := newRig(t, m)
	r.o.ReserveBytes, r.o.AlarmSegment, r.o.SampleSegment = 4<<20, 256<<10, 1<<20
	r.open()
	r.samples(0, 10)
	filler, err := m.Create("/filler")
	check(t, err)
	free, err := m.Free("/")
	check(t, err)
	check(t, filler.Allocate(free)) // not a byte left
	stored, refused := 10, 0
	for i := 10; refused < 20; i++ {
		err := r.box.Append(r.ctx, nil, []envelope.Record{r.wide(i)})
		var se *outbox.SamplesError
		switch {
		case err == nil:
			stored++
		case isFull(err) && errors.As(err, &se) && se.AlarmDurable():
			refused++
		default:
			t.Fatal(err)
		}
	}
	const alarms = 1500
	for i := range alarms {
		a := r.alarm(fmt.Sprint(i))
		a.Transitions[0].Note = noise(i, 400)
		if err := r.box.Append(r.ctx, []envelope.Record{a}, nil); err != nil {
			t.Fatalf("alarm %d: %v", i, err)
		}
	}
	if _, _, err := r.box.NextSession(); err != nil {
		t.Errorf("session on a full disk: %v", err)
	}
	if err := r.box.Append(r.ctx, nil, []envelope.Record{r.wide(0)}); !isFull(err) {
		t.Errorf("samples took the reserve: %v", err)
	}
	check(t, m.Remove("/filler"))
	before := r.box.Stats().Samples.Records
	r.samples(5000, 10)
	if n := r.box.Stats().Samples.Records; n != before+10 || int(before) != stored {
		t.Errorf("%d, then %d samples, %d stored", before, n, stored)
	}
	r.open()
	if got := r.replay(); len(got) != alarms {
		t.Errorf("%d alarms after restart", len(got))
	}
}

// Where even the reserve is used up, alarms take the place of the oldest
// samples, the edge can still connect, and what is settled frees its space.
func TestAlarmsTakeThePlaceOfSamplesWhenTheReserveIsUsedUp(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	m.SetCapacity(16 << 20)
	r := newRig(t, m)
	r.o.ReserveBytes, r.o.AlarmSegment, r.o.SampleSegment = 1<<20, 64<<10, 256<<10
	r.open()
	session, _, err := r.box.NextSession()
	check(t, err)
	check(t, r.box.UseSession(session))
	n := 0
	for ; r.box.Stats().Samples.Segments < 8; n++ {
		check(t, r.box.Append(r.ctx, nil, []envelope.Record{r.wide(n)}))
	}
	filler, err := m.Create("/filler")
	check(t, err)
	fill := func() {
		free, err := m.Free("/")
		check(t, err)
		size, err := filler.Size()
		check(t, err)
		check(t, filler.Allocate(size+free))
	}
	raised := 0
	for ; r.box.Stats().Samples.Segments > 2; raised++ {
		fill() // others take every byte that is freed
		a := r.alarm(fmt.Sprint(raised))
		a.Transitions[0].Note = noise(raised, 400)
		if err := r.box.Append(r.ctx, []envelope.Record{a}, nil); err != nil {
			t.Fatalf("alarm %d: %v", raised, err)
		}
	}
	fill()
	if id, _, err := r.box.NextSession(); err != nil || id == "" {
		t.Errorf("session on a full disk: %q, %v", id, err)
	}
	st := r.box.Stats()
	gone := st.Dropped["dropped_full"]
	if len(st.Losses) != 1 || st.Losses[0].Records != gone || st.Losses[0].FromMS == 0 || st.Losses[0].ToMS < st.Losses[0].FromMS {
		t.Errorf("%+v", st.Losses)
	}
	if raised < 500 || gone == 0 {
		t.Errorf("%d alarms, %d samples given up", raised, gone)
	}
	r.leaseBytes = 64 << 10
	r.drain(envelope.Alarm, true)
	r.drain(envelope.Samples, true)
	if len(r.cloud.raised) != raised || uint64(n-len(r.cloud.values)) != gone {
		t.Errorf("%d of %d alarms and %d of %d samples arrived, %d given up", len(r.cloud.raised), raised, len(r.cloud.values), n, gone)
	}
	for id, g := range r.cloud.gaps {
		if g[0].Reason != "dropped_full" || g[0].FromMS == 0 || g[0].ToMS == 0 {
			t.Errorf("gaps of %s: %+v", id, g)
		}
	}
	if st = r.box.Stats(); st.Samples.Segments > 1 {
		t.Errorf("settled and not freed: %+v", st.Samples)
	}
}

func TestBelowMinFreeTheOldestGo(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	m.SetCapacity(4 << 20)
	r := newRig(t, m)
	r.o.MinFree, r.o.SampleSegment = 2<<20, 128<<10
	r.open()
	for i := range 5000 {
		check(t, r.box.Append(r.ctx, nil, []envelope.Record{r.wide(i)}))
		if free, _ := m.Free("/"); free < 2<<20 {
			t.Fatalf("%d bytes free after %d records", free, i)
		}
	}
	if n := r.box.Stats().Dropped["dropped_full"]; n < 2000 {
		t.Errorf("%d dropped", n)
	}
}

// A file that may not get larger is no full disk: giving samples up would not
// help, and neither would the reserve.
func TestAFileTooLargeCostsNoSamples(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	r.samples(0, 200)
	check(t, r.box.Close())
	limited := false
	r.fs = vfs.NewFaulty(m, func(op vfs.Op) error {
		if limited && (op.Kind == vfs.OpAllocate || op.Kind == vfs.OpWrite) && strings.Contains(op.Name, "/alarm/") {
			return syscall.EFBIG
		}
		return nil
	})
	r.o.ReserveBytes = 64 << 10
	r.open()
	limited = true
	if err := r.box.Append(r.ctx, []envelope.Record{r.alarm("a")}, nil); !errors.Is(err, syscall.EFBIG) {
		t.Errorf("alarm: %v", err)
	}
	if size := len(mustRead(m, "/box/reserve")); size != 64<<10 {
		t.Errorf("%d bytes of the reserve are left", size)
	}
	if st := r.box.Stats(); len(st.Losses) > 0 || st.Samples.Records != 200 {
		t.Errorf("%+v", st)
	}
	limited = false
	check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm("a")}, nil))
}

// The state could not be written, the segment was not removed, and the next try
// took its gap for known: after a crash the cloud was told that nothing had
// been there.
func TestAGapIsDurableBeforeItsSegmentGoesAtEachTry(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	check(t, r.box.Close())
	broken := false
	r.fs = vfs.NewFaulty(m, func(op vfs.Op) error {
		if broken && op.Kind == vfs.OpRename && strings.HasSuffix(op.Name, "/state") {
			return syscall.EIO
		}
		return nil
	})
	r.o.MaxBytes, r.o.SampleSegment = 1<<20, 64<<10
	r.open()
	n := 0
	for ; r.box.Stats().Dropped["dropped_full"] == 0; n++ {
		broken = true
		if err := r.box.Append(r.ctx, nil, []envelope.Record{r.wide(n)}); err != nil {
			broken = false
			check(t, r.box.Append(r.ctx, nil, []envelope.Record{r.wide(n)}))
		}
	}
	r.fs = m.Crash(1)
	r.open()
	r.drain(envelope.Samples, true)
	r.cloud.wantNoHoles(t)
	gone := uint64(0)
	for _, gs := range r.cloud.gaps {
		for _, g := range gs {
			gone += uint64(g.Last-g.First) + 1
		}
	}
	if int(gone)+len(r.cloud.values) != n || gone == 0 {
		t.Errorf("of %d samples the cloud has %d and misses %d", n, len(r.cloud.values), gone)
	}
}
