package outbox_test

import (
	"encoding/json"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
)

func dump(t *testing.T, fs vfs.FS) (lines []outbox.Line) {
	t.Helper()
	check(t, outbox.Dump(fs, "/box", func(l outbox.Line) error {
		lines = append(lines, l)
		_, err := json.Marshal(l)
		return err
	}))
	return lines
}

func TestDumpShowsWhatWaits(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm("a"), r.checkpoint("all")}, nil))
	r.samples(0, 6)
	check(t, r.box.Settle(envelope.Receipt{
		Epoch: r.box.Epoch(), Log: envelope.Samples, Verdict: envelope.Stored, Sequences: []envelope.Range{{First: 2, Last: 3}},
	}))
	check(t, r.box.Close())
	before := slices.Clone(m.Paths("/"))
	got := dump(t, m)
	if len(got) != 6 || got[0].Transitions[0].ID != "a" || got[1].CheckpointBytes != 3 || !got[1].Local {
		t.Fatalf("%+v", got)
	}
	for i, want := range []int{0, 3, 4, 5} {
		l := got[2+i]
		if l.Sequence != envelope.Sequence(want+1) || *l.Samples[0].Value != float64(want) || l.Epoch != r.box.Epoch() || !l.ClockTrusted {
			t.Errorf("%+v, want sample %d", l, want)
		}
	}
	if after := m.Paths("/"); !slices.Equal(before, after) {
		t.Errorf("looking changed the files: %v, before %v", after, before)
	}
}

// A value that JSON has no word for does not end the dump.
func TestDumpOfWhatJSONCannotSay(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	s := r.sample(0)
	s.Samples[0].Quality, s.Samples[0].Reason = telemetry.Bad, "timeout"
	check(t, r.box.Append(r.ctx, nil, []envelope.Record{s}))
	if got := dump(t, m); len(got) != 1 || got[0].Samples[0].Value != nil || got[0].Samples[0].Reason != "timeout" {
		t.Errorf("%+v", got)
	}
}

func TestDamageIsShownWhereItLies(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	r.samples(0, 5)
	check(t, r.box.Close())
	seg := m.Paths("/box/samples")[0]
	b, err := vfs.ReadFile(m, seg, 1<<20)
	check(t, err)
	size := (len(b) - 80) / 5
	at := 80 + 2*size
	b[at+50] ^= 1 // in the third of five frames alike
	check(t, vfs.WriteFile(m, path.Dir(seg), path.Base(seg), b))
	check(t, vfs.WriteFile(m, "/box/samples", "00000000000000ff.seg.quarantine", []byte("foreign")))
	st, err := outbox.Inspect(m, "/box")
	check(t, err)
	want := outbox.Quarantined{
		Log: envelope.Samples, File: strings.TrimPrefix(seg, "/box/"), Offset: int64(at), Bytes: int64(size), First: 3, Last: 3, From: 3,
		Epoch: r.box.Epoch(), Reason: "the checksum does not match",
	}
	if len(st.Quarantined) != 2 || st.Quarantined[0] != want || st.Quarantined[1].Bytes != 7 {
		t.Errorf("%+v, want %+v and what was put aside", st.Quarantined, want)
	}
	if l := dump(t, m)[2]; l.Gap != "damaged" || l.Position != 3 || l.LastPosition != 3 {
		t.Errorf("%+v", l)
	}
}

// What the daemon forgets while it is looked at is no damage.
func TestLookingAtWhatIsBeingForgotten(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	r.samples(0, 300)
	looked := 0
	check(t, outbox.Dump(m, "/box", func(l outbox.Line) error {
		if looked++; looked == 1 {
			r.drain(envelope.Samples, true)
		}
		if l.Gap != "" {
			t.Errorf("%+v", l)
		}
		return nil
	}))
	if looked < 10 || looked >= 300 {
		t.Errorf("%d lines", looked)
	}
}

func TestWaitsCountsAPart(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	for i := range 10 {
		r.clock.Advance(1e9)
		r.samples(i, 1)
	}
	check(t, r.box.Settle(envelope.Receipt{
		Epoch: r.box.Epoch(), Log: envelope.Samples, Verdict: envelope.Stored, Sequences: []envelope.Range{{First: 1, Last: 2}},
	}))
	for _, c := range []struct {
		from, to, n uint64
		seconds     int64
	}{{outbox.First, 7, 4, 3}, {7, outbox.Last, 4, 7}, {1, 3, 0, 0}, {11, outbox.Last, 0, 0}} {
		n, oldest := r.box.Waits(envelope.Samples, c.from, c.to)
		if want := start.UnixMilli() + c.seconds*1000; n != c.n || n > 0 && oldest != want {
			t.Errorf("%d to %d: %d wait, the oldest of %d, want %d of %d", c.from, c.to, n, oldest, c.n, want)
		}
	}
}
