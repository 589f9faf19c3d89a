package outbox_test

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// verdict is what a damaged world did.
type verdict struct {
	broken  []string
	missing map[string]string // name to reason
	// bare are names that were covered without being brought.
	bare   map[string]bool
	served int
	cost   int
	// blind are logs whose mark and newest records are damaged both: nothing
	// says how far they had come.
	blind  map[string]bool
	untold int
}

func (v *verdict) fail(format string, a ...any) {
	v.broken = append(v.broken, fmt.Sprintf(format, a...))
}

// judge opens the outbox on fs, which was damaged, reads everything, appends
// more, and compares with what is true.
func (w *world) judge(fs *vfs.Mem) *verdict {
	v := &verdict{missing: map[string]string{}, bare: map[string]bool{}}
	due, damaged := w.due(fs), fs.Clone()
	box, err := outbox.Open(fs, "/box", w.options)
	if err != nil {
		v.fail("does not open: %v", err)
		return v
	}
	got := map[string]string{}
	for _, log := range []envelope.Log{envelope.Alarm, envelope.Samples} {
		w.read(box, log, v, got, w.changed(damaged, "/box/"+string(log)+"/list"))
	}
	v.served = len(got)
	w.compare(v, got, due, damaged)
	counted := uint64(0)
	for _, n := range box.Stats().Dropped {
		counted += n
	}
	if counted < uint64(v.cost) {
		v.fail("%d records are lost and %d counted", v.cost, counted)
	}
	w.goOn(box, v)
	if err := box.Close(); err != nil {
		v.fail("does not close: %v", err)
	}
	return v
}

// due are the names that must be served: their bytes are where they were, in a
// file that can be recognised.
func (w *world) due(fs *vfs.Mem) map[string]bool {
	files := map[string][]byte{}
	for _, f := range fs.Paths("/box") {
		files[f], _ = vfs.ReadFile(fs, f, 1<<24)
	}
	out := map[string]bool{}
	for _, r := range w.records {
		list := path.Dir(r.file) + "/list"
		listed := bytes.Equal(files[list], w.file(list))
		found, whole := 0, true
		for f, b := range files {
			if path.Dir(f) != path.Dir(r.file) || path.Ext(f) != ".seg" {
				continue
			}
			known := len(b) >= 80 && bytes.Equal(b[:80], r.head)
			if known || f == r.file && listed {
				found++
			}
			if known || f == r.file {
				end := r.off + len(r.frame)
				whole = whole && end <= len(b) && bytes.Equal(b[r.off:end], r.frame)
			}
		}
		out[r.name()] = found > 0 && whole
	}
	return out
}

func (w *world) file(name string) []byte {
	b, _ := vfs.ReadFile(w.disk, name, 1<<24)
	return b
}

// read leases everything that waits in log.
func (w *world) read(box *outbox.Outbox, log envelope.Log, v *verdict, got map[string]string, foreign bool) {
	for pos, idle := uint64(1), 0; idle < 3; {
		e, next, err := box.Lease(log, pos, outbox.Last, 600)
		if err != nil {
			v.fail("cannot lease: %v", err)
			return
		}
		if len(e.Sequences)+len(e.Missing) == 0 && next == pos {
			return
		}
		pos = next
		w.take(e, v, got, foreign)
	}
}

// take checks one Envelope: what it covers, it brings. A segment of another
// outbox cannot be told from one of an older epoch if the list is gone as well.
func (w *world) take(e envelope.Envelope, v *verdict, got map[string]string, foreign bool) {
	at := func(s envelope.Sequence) string { return written{log: string(e.Log), epoch: e.Epoch, seq: s}.name() }
	for _, m := range e.Missing {
		for s := m.First; s <= m.Last && s < m.First+10_000; s++ {
			v.missing[at(s)] = m.Reason
		}
	}
	inside := contents(e.Record)
	for _, q := range e.Sequences {
		for s := q.First; s <= q.Last && s < q.First+10_000; s++ {
			c, known := w.used[at(s)]
			if !known || c == "" || w.settled[at(s)] && !slices.Contains(inside, c) {
				continue // void, local, or answered before
			}
			i := slices.Index(inside, c)
			if i < 0 {
				v.bare[at(s)] = true
				continue
			}
			inside = slices.Delete(inside, i, i+1)
			got[at(s)] = c
		}
	}
	for _, c := range inside {
		if foreign && w.foreign[e.Epoch] {
			v.untold++
			continue
		}
		v.fail("%s %v brings what was never appended there: %q", e.Epoch, e.Sequences, c)
	}
}

// compare looks for what is neither served nor reported.
func (w *world) compare(v *verdict, got map[string]string, due map[string]bool, damaged *vfs.Mem) {
	stateless := w.changed(damaged, "/box/state")
	untold := w.untold(damaged, got)
	v.blind = map[string]bool{}
	for _, r := range w.records {
		if r.content != "" && !r.settled {
			v.blind[r.log] = w.changed(damaged, "/box/"+r.log+".mark") && got[r.name()] == ""
		}
	}
	for _, r := range w.records {
		name := r.name()
		_, served := got[name]
		reason, told := v.missing[name]
		switch {
		case r.content == "" || r.settled:
			continue
		case served && told:
			v.fail("%s is served and reported as %s", name, reason)
		case served:
		case due[name]:
			v.fail("%s is undamaged and not served (%q)", name, reason)
		case !told && untold[name]:
			v.untold++
		case !told:
			v.fail("%s is gone silently (covered: %t)", name, v.bare[name])
		default:
			v.cost++
		}
	}
	for name := range w.gone {
		if _, told := v.missing[name]; !told && !stateless {
			v.fail("%s was dropped before and is not reported any more", name)
		}
	}
}

// untold are records of which nothing on the damaged disk could tell: the last
// of a log whose mark is damaged too, the first of a log whose list and state
// are, and those of an epoch of which neither list nor header is left.
func (w *world) untold(fs *vfs.Mem, got map[string]string) map[string]bool {
	out := map[string]bool{}
	for _, log := range []string{"alarm", "samples"} {
		var of []written
		for _, r := range w.records {
			if r.log == log {
				of = append(of, r)
			}
		}
		first := slices.IndexFunc(of, func(r written) bool { return got[r.name()] != "" })
		list, heads := w.changed(fs, "/box/"+log+"/list"), w.heads(fs, log)
		front := list && w.changed(fs, "/box/state")
		end := w.changed(fs, "/box/"+log+".mark")
		for i, r := range of {
			later := slices.ContainsFunc(of[i+1:], func(x written) bool { return got[x.name()] != "" })
			if front && (i < first || first < 0) || end && !later || list && !heads[r.epoch] {
				out[r.name()] = true
			}
		}
	}
	return out
}

// heads are the epochs of log of which a segment's header is left.
func (w *world) heads(fs *vfs.Mem, log string) map[string]bool {
	out := map[string]bool{}
	for _, f := range segments(fs) {
		b := mustRead(fs, f)
		for _, r := range w.records {
			if r.log == log && path.Dir(f) == path.Dir(r.file) && len(b) >= 80 && bytes.Equal(b[:80], r.head) {
				out[r.epoch] = true
			}
		}
	}
	return out
}

func (w *world) changed(fs *vfs.Mem, name string) bool {
	return !bytes.Equal(mustRead(fs, name), w.file(name))
}

func mustRead(fs *vfs.Mem, name string) []byte {
	b, _ := vfs.ReadFile(fs, name, 1<<24)
	return b
}

// goOn appends to both logs: under names never used, and what was appended is
// read.
func (w *world) goOn(box *outbox.Outbox, v *verdict) {
	o := telemetry.Origin{Boot: "after", EdgeMS: 1, ClockTrusted: true}
	s := telemetry.Sample{Key: telemetry.SeriesKey{Device: "new", Kind: "k", Metric: "m"}, AtMS: 9, Value: 9}
	before := map[envelope.Log]uint64{}
	for _, l := range []envelope.Log{envelope.Alarm, envelope.Samples} {
		_, before[l] = box.Ends(l)
	}
	err := box.Append(context.Background(),
		[]envelope.Record{{Origin: o, Transitions: []ticket.Transition{{ID: "new", Kind: "raise", Ticket: "t"}}}},
		[]envelope.Record{{Origin: o, Samples: []telemetry.Sample{s}}})
	if err != nil {
		v.fail("does not append: %v", err)
		return
	}
	for l, want := range map[envelope.Log]string{envelope.Alarm: "transition new", envelope.Samples: sampleContent(s)} {
		found := 0
		for pos := before[l]; ; {
			e, next, err := box.Lease(l, pos, outbox.Last, 600)
			if err != nil || len(e.Sequences)+len(e.Missing) == 0 && next == pos {
				break
			}
			pos = next
			if c := contents(e.Record); len(c) == 1 && c[0] == want {
				found++
				name := written{log: string(l), epoch: e.Epoch, seq: e.Sequences[len(e.Sequences)-1].Last}.name()
				if old, again := w.used[name]; again && !v.blind[string(l)] {
					v.fail("%s is issued twice: first for %q", name, old)
				}
			} else if len(c) > 0 {
				v.fail("behind the end of %s lies %s", l, strings.Join(c, ", "))
			}
		}
		if found != 1 {
			v.fail("the record appended to %s is read %d times", l, found)
		}
	}
}
