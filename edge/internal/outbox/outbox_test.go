package outbox_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
)

func TestWhatIsAppendedReachesTheCloudOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.samples(0, 100)
	r.drain(envelope.Samples, false) // sent, never answered
	r.drain(envelope.Samples, true)  // so sent again
	r.drain(envelope.Samples, true)  // nothing left
	r.cloud.wantValues(t, 100)
	r.cloud.wantNoHoles(t)
	if st := r.box.Stats(); st.Samples.Records != 0 || st.Samples.Segments != 1 || r.cloud.repeats == 0 {
		t.Errorf("%+v, repeats %d", st, r.cloud.repeats)
	}
}

func TestOnlyReceiptsSettleAndTheyMayRepeatOrLie(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.samples(0, 10)
	e, _, err := r.box.Lease(envelope.Samples, 1, outbox.Last, 1<<20)
	check(t, err)
	receipt := envelope.Receipt{Epoch: e.Epoch, Log: envelope.Samples, Sequences: e.Sequences, Verdict: envelope.Stored}
	lies := []envelope.Receipt{
		{Epoch: "nonsense", Log: envelope.Samples, Sequences: e.Sequences, Verdict: envelope.Stored},
		{Epoch: "0192f0c1-0000-7000-8000-000000000000", Log: envelope.Samples, Sequences: e.Sequences, Verdict: envelope.Stored},
		{Epoch: e.Epoch, Log: envelope.Alarm, Sequences: e.Sequences, Verdict: envelope.Stored},
		{Epoch: e.Epoch, Log: "", Sequences: e.Sequences, Verdict: envelope.Stored},
		{Epoch: e.Epoch, Log: envelope.Samples, Sequences: e.Sequences, Verdict: "eaten"},
		{Epoch: e.Epoch, Log: envelope.Samples, Sequences: []envelope.Range{{First: 0, Last: 9}, {First: 5, Last: 2}, {First: 11, Last: 1 << 60}}, Verdict: envelope.Stored},
	}
	for i, l := range lies {
		_ = r.box.Settle(l)
		if n := r.box.Stats().Samples.Records; n != 10 {
			t.Fatalf("lie %d settled: %d left", i, n)
		}
	}
	over := receipt
	over.Sequences = []envelope.Range{{First: 1, Last: ^envelope.Sequence(0)}}
	check(t, r.box.Settle(over)) // settles what there is, not what will be
	check(t, r.box.Settle(receipt))
	r.samples(10, 5)
	if n := r.box.Stats().Samples.Records; n != 5 {
		t.Errorf("%d wait, want 5", n)
	}
}

func TestRejectedIsSettledToo(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.samples(0, 3)
	e, _, err := r.box.Lease(envelope.Samples, 1, outbox.Last, 1<<20)
	check(t, err)
	check(t, r.box.Settle(envelope.Receipt{Epoch: e.Epoch, Log: e.Log, Sequences: e.Sequences, Verdict: envelope.Rejected, Reason: "poison"}))
	if n := r.box.Stats().Samples.Records; n != 0 {
		t.Errorf("%d wait", n)
	}
}

// Live overtakes backfill: settled in the middle, nothing lost, nothing twice.
func TestSettlingOutOfOrder(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	r.samples(0, 200)
	_, end := r.box.Ends(envelope.Samples)
	e, next, err := r.box.Lease(envelope.Samples, 150, 180, 1<<20)
	check(t, err)
	if next != 180 || e.Sequences[0] != (envelope.Range{First: 150, Last: 179}) || end != 201 {
		t.Fatalf("leased %v up to %d, end %d", e.Sequences, next, end)
	}
	check(t, r.box.Settle(r.cloud.take(t, e)))
	check(t, r.box.Close())
	r.open() // settled ranges survive
	r.drain(envelope.Samples, true)
	r.cloud.wantValues(t, 200)
	r.cloud.wantNoHoles(t)
	if r.cloud.repeats != 0 {
		t.Errorf("%d repeats", r.cloud.repeats)
	}
}

func TestSequencesSurviveEmptyingKillsAndEnds(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	epoch := r.box.Epoch()
	for round := range 12 {
		r.samples(round*7, 7)
		if round%3 > 0 {
			r.drain(envelope.Samples, true)
		}
		switch round % 2 {
		case 0:
			check(t, r.box.Close())
		case 1:
			r.fs = r.fs.(*vfs.Mem).Clone() // killed
		}
		r.open()
		if r.box.Epoch() != epoch {
			t.Fatalf("round %d began a new epoch", round)
		}
	}
	r.drain(envelope.Samples, true)
	r.cloud.wantValues(t, 84)
	r.cloud.wantNoHoles(t)
}

func TestAlarmsGoFirstAndAreReplayedFromTheCheckpoint(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	for i := range 60 {
		check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm(fmt.Sprint("old", i))}, nil))
	}
	check(t, r.box.Append(r.ctx, []envelope.Record{r.checkpoint("state"), r.alarm("new1")}, nil))
	remote := r.alarm("from the cloud")
	remote.Local = true
	check(t, r.box.Append(r.ctx, []envelope.Record{remote}, []envelope.Record{r.sample(1)}))
	r.drain(envelope.Alarm, true)
	if n := len(r.cloud.raised); n != 61 || slices.Contains(r.cloud.raised, "from the cloud") {
		t.Errorf("cloud heard %d: %v", n, r.cloud.raised)
	}
	r.cloud.wantNoHoles(t) // local ones are covered
	if st := r.box.Stats(); st.Alarm.Segments != 1 {
		t.Errorf("%+v", st.Alarm)
	}
	r.open()
	want := []string{"checkpoint state", "new1", "from the cloud"}
	if got := r.replay(); !slices.Equal(got, want) {
		t.Errorf("replayed %q", got)
	}
}

func (r *rig) replay() (out []string) {
	r.t.Helper()
	var last envelope.Sequence
	check(r.t, r.box.Replay(func(s envelope.Sequence, rec envelope.Record) error {
		if s <= last {
			r.t.Errorf("sequence %d after %d", s, last)
		}
		last = s
		if rec.Checkpoint != nil {
			out = append(out, "checkpoint "+string(rec.Checkpoint))
		}
		for _, x := range rec.Transitions {
			out = append(out, x.ID)
		}
		return nil
	}))
	return out
}

func TestUnsettledOrUncheckpointedAlarmsStay(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	for i := range 100 {
		check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm(fmt.Sprint(i))}, nil))
	}
	r.drain(envelope.Alarm, true)
	if got := r.replay(); len(got) != 100 {
		t.Errorf("settled without checkpoint: %d replayed", len(got))
	}
	for i := range 100 {
		check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm(fmt.Sprint(100 + i))}, nil))
	}
	check(t, r.box.Append(r.ctx, []envelope.Record{r.checkpoint("c")}, nil))
	r.open()
	r.drain(envelope.Alarm, true)
	if len(r.cloud.raised) != 200 {
		t.Errorf("cloud heard %d", len(r.cloud.raised))
	}
}

func TestADamagedCheckpointFallsBackToTheWholeLog(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm("a")}, nil))
	check(t, r.box.Append(r.ctx, []envelope.Record{r.checkpoint("rotten")}, nil))
	check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm("b")}, nil))
	check(t, r.box.Close())
	spoil(t, m, "/box/alarm", "rotten")
	r.open()
	if got := r.replay(); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("replayed %q", got)
	}
	if n := r.box.Stats().Dropped["damaged"]; n != 1 {
		t.Errorf("%d damaged", n)
	}
}

// spoil flips a bit of text, wherever it lies below dir.
func spoil(t *testing.T, m *vfs.Mem, dir, text string) {
	t.Helper()
	for _, p := range m.Paths(dir) {
		b, err := vfs.ReadFile(m, p, 1<<30)
		check(t, err)
		if at := strings.Index(string(b), text); at >= 0 {
			f, err := m.Edit(p)
			check(t, err)
			_, err = f.WriteAt([]byte{b[at] ^ 1}, int64(at))
			check(t, err)
			return
		}
	}
	t.Fatalf("%q is nowhere", text)
}

func TestDamageIsReportedAsAGapAndTheRestServed(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	for i := range 20 {
		rec := r.sample(i)
		rec.Events = []telemetry.Event{{Device: "gate", Name: fmt.Sprintf("event-%02d", i)}}
		check(t, r.box.Append(r.ctx, nil, []envelope.Record{rec}))
	}
	check(t, r.box.Close())
	spoil(t, m, "/box/samples", "event-07")
	r.open()
	r.drain(envelope.Samples, false)
	r.drain(envelope.Samples, true)
	r.cloud.wantValues(t, 20, 7)
	r.cloud.wantNoHoles(t)
	st := r.box.Stats()
	if st.Dropped["damaged"] != 1 || st.Samples.Records != 0 {
		t.Errorf("%+v", st)
	}
	for _, gs := range r.cloud.gaps {
		if gs[0] != (envelope.Gap{Range: envelope.Range{First: 8, Last: 8}, Reason: "damaged", FromMS: start.UnixMilli(), ToMS: start.UnixMilli()}) {
			t.Errorf("gap %+v", gs[0])
		}
	}
}

func TestALostTailBeginsANewEpochForBothLogs(t *testing.T) {
	t.Parallel()
	for _, how := range []string{"folder emptied", "killed and folder emptied", "killed and cut"} {
		t.Run(how, func(t *testing.T) { lostTail(t, how) })
	}
}

func lostTail(t *testing.T, how string) {
	m := vfs.NewMem()
	r := newRig(t, m)
	r.samples(0, 5)
	check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm("a")}, nil))
	old := r.box.Epoch()
	if how == "folder emptied" {
		check(t, r.box.Close())
	}
	for _, p := range m.Paths("/box/samples") {
		if how != "killed and cut" {
			check(t, m.Remove(p))
		} else if strings.HasSuffix(p, ".seg") {
			f, err := m.Edit(p)
			check(t, err)
			check(t, f.Truncate(90))
		}
	}
	r.open()
	if r.box.Epoch() == old {
		t.Fatal("the epoch stayed")
	}
	for _, h := range r.box.Heads() {
		if h.Head != 0 || h.Oldest != 1 {
			t.Errorf("head of the new epoch: %+v", h)
		}
	}
	r.samples(5, 3)
	check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm("b")}, nil))
	r.open() // the gap is durable
	r.drain(envelope.Alarm, true)
	r.drain(envelope.Samples, true)
	r.cloud.wantValues(t, 8, 0, 1, 2, 3, 4)
	r.cloud.wantNoHoles(t) // old records under their old names, new ones from 1
	if len(r.cloud.ledger) != 4 || len(r.cloud.raised) != 2 {
		t.Errorf("ledgers %v, raised %v", r.cloud.ledger, r.cloud.raised)
	}
	want := envelope.Gap{Range: envelope.Range{First: 1, Last: 5}, Reason: "lost", ToMS: r.clock.Now().UnixMilli()}
	if gs := r.cloud.gaps[old+"/samples"]; len(gs) != 1 || gs[0] != want {
		t.Errorf("gaps %+v", gs)
	}
}

// Without its state the outbox must not go on in its epoch, or its next
// session would look like a clone's; what waits is sent under its old name.
func TestALostStateBeginsANewEpochAndSendsAgain(t *testing.T) {
	t.Parallel()
	for _, spoilt := range []string{"gone", "damaged"} {
		m := vfs.NewMem()
		r := newRig(t, m)
		_, _, err := r.box.NextSession()
		check(t, err)
		r.samples(0, 300)
		e, _, err := r.box.Lease(envelope.Samples, 1, 250, 1<<20)
		check(t, err)
		check(t, r.box.Settle(r.cloud.take(t, e)))
		old := r.box.Epoch()
		check(t, r.box.Close())
		if spoilt == "gone" {
			check(t, m.Remove("/box/state"))
		} else {
			spoil(t, m, "/box", "settled")
		}
		r.open()
		if r.box.Epoch() == old {
			t.Errorf("%s: the epoch stayed", spoilt)
		}
		r.drain(envelope.Samples, true)
		r.cloud.wantNoHoles(t)
		r.cloud = newCloud()
		r.open()
		r.drain(envelope.Samples, false)
		for id, l := range r.cloud.ledger { // nothing is claimed about what is no longer there
			if l[0].First == 1 {
				t.Errorf("%s: ledger %s from %v", spoilt, id, l)
			}
		}
		for id := range r.cloud.ledger {
			if id != old+"/samples" {
				t.Errorf("%s: ledger %s", spoilt, id)
			}
		}
	}
}

// Logs and marks may go and the state stay: what it says of old positions must
// not settle new records.
func TestAStateOutlivingItsLogsSettlesNothingNew(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	r.samples(0, 20)
	r.drain(envelope.Samples, true)
	check(t, r.box.Close())
	for _, p := range m.Paths("/box") {
		if p != "/box/state" {
			check(t, m.Remove(p))
		}
	}
	r.open()
	r.samples(20, 5)
	r.drain(envelope.Samples, true)
	r.cloud.wantValues(t, 25)
	r.cloud.wantNoHoles(t)
}

func TestSessionsMakeOneLine(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	id1, prev, err := r.box.NextSession()
	check(t, err)
	if prev != "" || id1 == "" {
		t.Errorf("first session %q after %q", id1, prev)
	}
	r.open() // its hello never left: it stays
	if id, prev, err := r.box.NextSession(); id != id1 || prev != "" || err != nil {
		t.Errorf("unused session became %q after %q: %v", id, prev, err)
	}
	check(t, r.box.UseSession("another"))
	check(t, r.box.UseSession(id1))
	r.open()
	if id, prev, err := r.box.NextSession(); id == id1 || prev != id1 || err != nil {
		t.Errorf("next session %q after %q: %v", id, prev, err)
	}
}

func TestLargeRecordsAreCutSmallEnoughToSend(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.o.SampleSegment, r.o.AlarmSegment = 8<<20, 8<<20
	r.open()
	big := envelope.Record{Origin: r.origin()}
	for i := range 3000 {
		big.Samples = append(big.Samples, telemetry.Sample{
			Key: telemetry.SeriesKey{Device: "d", Metric: fmt.Sprint("m", i)}, AtMS: int64(i), Value: float64(i), Text: noise(i, 1000),
		})
	}
	alarms := envelope.Record{Origin: r.origin()}
	for i := range 1200 {
		alarms.Transitions = append(alarms.Transitions, ticket.Transition{ID: fmt.Sprint(i)})
	}
	check(t, r.box.Append(r.ctx, []envelope.Record{alarms}, []envelope.Record{big}))
	r.drain(envelope.Samples, true)
	r.drain(envelope.Alarm, true)
	r.cloud.wantValues(t, 3000)
	if len(r.cloud.raised) != 1200 {
		t.Errorf("%d transitions", len(r.cloud.raised))
	}
	huge := envelope.Record{Samples: []telemetry.Sample{{Text: noise(1, 2<<20)}}}
	if err := r.box.Append(r.ctx, nil, []envelope.Record{huge}); !errors.Is(err, outbox.ErrTooLarge) {
		t.Errorf("one sample of 2 MiB: %v", err)
	}
}

// noise is text that does not compress.
func noise(seed, n int) string {
	b := make([]byte, n)
	x := uint64(seed)*0x9e3779b97f4a7c15 + 1
	for i := range b {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		b[i] = ' ' + byte(x>>8)%90
	}
	return string(b)
}

func TestRecordsOfDifferentBootsAreNotMixed(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	a, b := r.sample(0), r.sample(1)
	b.Origin.Boot = "another"
	c := r.sample(2)
	c.Origin = b.Origin
	c.Origin.ClockTrusted = false
	check(t, r.box.Append(r.ctx, nil, []envelope.Record{a, b, c}))
	for pos, want := uint64(1), 0; want < 3; want++ {
		e, next, err := r.box.Lease(envelope.Samples, pos, outbox.Last, 1<<20)
		check(t, err)
		if len(e.Samples) != 1 || int(e.Samples[0].Value) != want {
			t.Errorf("envelope %d: %+v", want, e)
		}
		pos = next
	}
}

func TestSettledRangesAreWrittenLazilyAndAtTheEnd(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	r.samples(0, 10)
	writes := func() (n int) {
		f := vfs.NewFaulty(m, func(op vfs.Op) error {
			if op.Kind == vfs.OpRename && op.Name == "/box/state" {
				n++
			}
			return nil
		})
		r.fs = f
		r.open()
		for i := range 10 {
			e, _, err := r.box.Lease(envelope.Samples, uint64(i+1), uint64(i+2), 1)
			check(t, err)
			check(t, r.box.Settle(r.cloud.take(t, e)))
			r.clock.Advance(6 * time.Second)
		}
		return n
	}()
	if writes < 1 || writes > 3 {
		t.Errorf("state was written %d times in a minute", writes)
	}
	check(t, r.box.Close())
	r.fs = m
	r.open()
	if n := r.box.Stats().Samples.Records; n != 0 {
		t.Errorf("%d wait after a clean end", n)
	}
}

func TestInspectShowsWhatWaitsBesideTheDaemon(t *testing.T) {
	t.Parallel()
	m := vfs.NewMem()
	r := newRig(t, m)
	r.samples(0, 30)
	check(t, r.box.Append(r.ctx, []envelope.Record{r.alarm("a")}, nil))
	f := vfs.NewFaulty(m, func(op vfs.Op) error {
		switch op.Kind {
		case vfs.OpOpen, vfs.OpRead, vfs.OpList:
		default:
			t.Errorf("inspecting does %s %s", op.Kind, op.Name)
		}
		return nil
	})
	st, err := outbox.Inspect(f, "/box")
	check(t, err)
	if st.Epoch != r.box.Epoch() || st.Samples.Records != 30 || st.Alarm.Records != 1 || st.Samples.Head != 30 ||
		st.Samples.OldestMS != start.UnixMilli() || len(st.Notes) != 0 {
		t.Errorf("%+v", st)
	}
	if got := r.box.Stats(); got.Samples != st.Samples || got.Alarm != st.Alarm {
		t.Errorf("daemon says %+v, inspection %+v", got, st)
	}
	if _, err := outbox.Inspect(f, "/nowhere"); err == nil {
		t.Error("inspected nothing")
	}
}

func TestChangedWakesOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	r.samples(0, 3)
	<-r.box.Changed()
	select {
	case <-r.box.Changed():
		t.Error("woken twice")
	default:
	}
}
