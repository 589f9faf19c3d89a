package outbox_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// written is one record as it lies on an undamaged disk, found by reading the
// files as FORMAT.md describes them and not by the code under test.
type written struct {
	log   string
	epoch string
	seq   envelope.Sequence
	// file holds it at off; head is that file's header, frame the record's bytes.
	file        string
	off         int
	head, frame []byte
	content     string // "" for what never leaves the edge
	settled     bool
}

func (w written) name() string { return fmt.Sprintf("%s/%s/%d", w.log, w.epoch, w.seq) }

// world is an outbox before damage, and all that is true about it.
type world struct {
	disk    *vfs.Mem
	options outbox.Options
	records []written
	used    map[string]string // name to content, settled and dropped ones included
	settled map[string]bool
	// gone are the names that were reported as dropped before any damage.
	gone map[string]bool
	// older is the same outbox at an earlier moment, other a different one.
	older, other *vfs.Mem
	// foreign are the epochs of other.
	foreign map[string]bool
}

var castagnoli = func() func([]byte) uint32 {
	var table [256]uint32
	for i := range table {
		c := uint32(i)
		for range 8 {
			c = c>>1 ^ 0x82f63b78*(c&1)
		}
		table[i] = c
	}
	return func(b []byte) uint32 {
		c := ^uint32(0)
		for _, x := range b {
			c = table[byte(c)^x] ^ c>>8
		}
		return ^c
	}
}()

// contentOf names everything that a record says.
func contentOf(r envelope.Record) string {
	if r.Local || r.Checkpoint != nil {
		return ""
	}
	return strings.Join(contents(r), " ")
}

func contents(r envelope.Record) (out []string) {
	for _, s := range r.Samples {
		out = append(out, sampleContent(s))
	}
	for _, x := range r.Transitions {
		out = append(out, "transition "+x.ID)
	}
	return out
}

func sampleContent(s telemetry.Sample) string {
	return fmt.Sprintf("sample %s/%s/%s %d %g %d", s.Key.Device, s.Key.Kind, s.Key.Metric, s.AtMS, s.Value, s.Quality)
}

// readSegments reads all records that lie in the segments of an undamaged disk.
func readSegments(t testing.TB, fs *vfs.Mem) (out []written) {
	t.Helper()
	for _, f := range fs.Paths("/box") {
		if path.Ext(f) != ".seg" {
			continue
		}
		b, err := vfs.ReadFile(fs, f, 1<<24)
		check(t, err)
		out = append(out, readSegment(t, f, b)...)
	}
	return out
}

func readSegment(t testing.TB, file string, b []byte) (out []written) {
	le := binary.LittleEndian
	if string(b[:8]) != "LINSHAOS" || castagnoli(b[:76]) != le.Uint32(b[76:]) {
		t.Fatalf("%s has no valid header", file)
	}
	epoch, base, salt := uuid.UUID(b[32:48]).String(), le.Uint64(b[48:]), b[56:64]
	for off := 80; off+40 <= len(b); {
		h := b[off:]
		size := 40 + int(le.Uint32(h[8:]))
		if !bytes.Equal(h[:4], salt[:4]) || size > len(h) || castagnoli(append(bytes.Clone(salt), h[8:size]...)) != le.Uint32(h[4:]) {
			return out // allocated, or the end
		}
		r, err := envelope.DecodeRecord(h[40:size])
		check(t, err)
		out = append(out, written{
			log: path.Base(path.Dir(file)), epoch: epoch, seq: envelope.Sequence(le.Uint64(h[16:]) - base), file: file, off: off,
			head: bytes.Clone(b[:80]), frame: bytes.Clone(h[:size]), content: contentOf(r),
		})
		off += (size + 7) / 8 * 8
	}
	return out
}

// newWorld makes an outbox with several segments in both logs, checkpoints,
// settled ranges in the middle and at the front, dropped samples, two epochs
// where it asks for them, and an end that is closed or not.
func newWorld(t testing.TB, closed, twoEpochs bool) *world {
	t.Helper()
	m := vfs.NewMem()
	r := newRig(t, m)
	r.o.ReserveBytes, r.o.MaxAge, r.o.SampleSegment, r.o.AlarmSegment = 8<<10, 90*time.Minute, 2<<10, 2<<10
	check(t, r.box.Close())
	r.open()
	w := &world{used: map[string]string{}, settled: map[string]bool{}, gone: map[string]bool{}, options: r.o, other: newOther(t)}
	w.live(r, 0)
	if twoEpochs {
		check(t, r.box.Close())
		check(t, m.Remove("/box/samples.mark"))
		r.open()
	}
	w.older = m.Clone()
	w.live(r, 1000)
	if closed {
		check(t, r.box.Close())
	}
	w.foreign = map[string]bool{}
	for _, x := range readSegments(t, w.other) {
		w.foreign[x.epoch] = true
	}
	w.disk = m.Clone()
	w.records = readSegments(t, w.disk)
	for i := range w.records {
		x := &w.records[i]
		x.settled = w.settled[x.name()]
	}
	w.wantUndamaged(t)
	return w
}

func newOther(t testing.TB) *vfs.Mem {
	o := newRig(t, vfs.NewMem())
	o.o.ReserveBytes = 8 << 10
	check(t, o.box.Close())
	o.open()
	o.samples(5000, 400)
	check(t, o.box.Append(o.ctx, []envelope.Record{o.alarm("foreign"), o.checkpoint("foreign")}, nil))
	check(t, o.box.Settle(envelope.Receipt{
		Epoch: o.box.Epoch(), Log: envelope.Samples, Verdict: envelope.Stored, Sequences: []envelope.Range{{First: 1, Last: 400}},
	}))
	check(t, o.box.Close())
	return o.fs.(*vfs.Mem)
}

// live appends what is told apart by first, settles a part of it, and drops the
// oldest samples.
func (w *world) live(r *rig, first int) {
	for i := range 60 {
		var alarms []envelope.Record
		r.clock.Advance(time.Minute)
		if i%3 == 0 {
			alarms = append(alarms, r.alarm(fmt.Sprintf("t%d", first+i)))
		}
		if i%20 == 19 {
			alarms = append(alarms, r.checkpoint(strings.Repeat("c", 100)))
		}
		check(r.t, r.box.Append(r.ctx, alarms, []envelope.Record{r.sample(first + 2*i), r.sample(first + 2*i + 1)}))
	}
	for _, x := range readSegments(r.t, r.fs.(*vfs.Mem)) {
		w.used[x.name()] = x.content
	}
	base := r.box.Heads()[1].Head - 110
	w.settle(r, envelope.Samples, base, base+9)
	w.settle(r, envelope.Samples, base+30, base+33)
	w.settle(r, envelope.Alarm, 1, 5)
}

func (w *world) settle(r *rig, log envelope.Log, first, last envelope.Sequence) {
	check(r.t, r.box.Settle(envelope.Receipt{
		Epoch: r.box.Epoch(), Log: log, Verdict: envelope.Stored, Sequences: []envelope.Range{{First: first, Last: last}},
	}))
	for s := first; s <= last; s++ {
		w.settled[written{log: string(log), epoch: r.box.Epoch(), seq: s}.name()] = true
	}
	r.clock.Advance(time.Minute) // the next one is written at once
}

// wantUndamaged checks the world itself: it serves all and invents nothing.
func (w *world) wantUndamaged(t testing.TB) {
	t.Helper()
	v := w.judge(w.disk.Clone())
	for _, s := range v.broken {
		t.Errorf("undamaged: %s", s)
	}
	for name := range v.missing {
		w.gone[name] = true
	}
	if len(w.records) < 60 || v.served < 40 {
		t.Fatalf("%d records, %d served, %d gone", len(w.records), v.served, len(w.gone))
	}
}
