package outbox_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
)

var start = time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// rig is an outbox on a file system in memory, beside a cloud that keeps a
// ledger and answers what it is given.
type rig struct {
	t     testing.TB
	fs    vfs.FS
	clock *clock.Fake
	o     outbox.Options
	box   *outbox.Outbox
	cloud *cloud
	// leaseBytes is what drain asks for at a time: little, so that it asks often.
	leaseBytes int
	// ctx lives as long as the test.
	ctx context.Context
}

func newRig(t testing.TB, fs vfs.FS) *rig {
	t.Helper()
	c := clock.NewFake(start)
	r := &rig{t: t, fs: fs, clock: c, cloud: newCloud(), ctx: context.Background(), leaseBytes: 200, o: outbox.Options{
		Clock: c, Log: slog.New(slog.DiscardHandler), MinFree: -1, ReserveBytes: -1, AlarmSegment: 4 << 10, SampleSegment: 4 << 10,
	}}
	r.open()
	return r
}

func (r *rig) open() {
	r.t.Helper()
	var err error
	r.box, err = outbox.Open(r.fs, "/box", r.o)
	check(r.t, err)
}

func (r *rig) origin() telemetry.Origin {
	return telemetry.Origin{Boot: "boot", EdgeMS: r.clock.Now().UnixMilli(), ClockTrusted: true}
}

// sample makes a record of one Sample whose value is v.
func (r *rig) sample(v int) envelope.Record {
	return envelope.Record{Origin: r.origin(), Samples: []telemetry.Sample{{
		Key: telemetry.SeriesKey{Device: "gate", Kind: "gate", Metric: "m"}, AtMS: int64(v) + 1, Value: float64(v),
	}}}
}

func (r *rig) alarm(id string) envelope.Record {
	return envelope.Record{Origin: r.origin(), Transitions: []ticket.Transition{{ID: id, Kind: "raise", Ticket: "t"}}}
}

func (r *rig) checkpoint(b string) envelope.Record {
	return envelope.Record{Origin: r.origin(), Local: true, Checkpoint: []byte(b)}
}

// samples appends n records, each in its own commit, valued from first on.
func (r *rig) samples(first, n int) {
	r.t.Helper()
	for i := range n {
		check(r.t, r.box.Append(r.ctx, nil, []envelope.Record{r.sample(first + i)}))
	}
}

// drain leases everything that waits in log, bit by bit, and gives it to the
// cloud; with answer, its Receipts come back.
func (r *rig) drain(log envelope.Log, answer bool) {
	r.t.Helper()
	for pos := uint64(1); ; {
		e, next, err := r.box.Lease(log, pos, outbox.Last, r.leaseBytes)
		check(r.t, err)
		if len(e.Sequences)+len(e.Missing) == 0 {
			if next != pos {
				pos = next
				continue
			}
			return
		}
		if _, err := envelope.Encode(e); err != nil {
			r.t.Fatalf("envelope cannot be sent: %v", err)
		}
		receipt := r.cloud.take(r.t, e)
		if answer {
			check(r.t, r.box.Settle(receipt))
		}
		pos = next
	}
}

// cloud is what a collector remembers: per epoch and log a ledger, and
// everything that was stored. An Envelope that is settled in part is applied as
// a whole; its effects are guarded by their own names [P-4.5].
type cloud struct {
	ledger  map[string]envelope.RangeSet
	gaps    map[string][]envelope.Gap
	values  []int
	repeats int
	raised  []string
}

func newCloud() *cloud {
	return &cloud{ledger: map[string]envelope.RangeSet{}, gaps: map[string][]envelope.Gap{}}
}

func (c *cloud) take(t testing.TB, e envelope.Envelope) envelope.Receipt {
	t.Helper()
	id := e.Epoch + "/" + string(e.Log)
	covered := envelope.RangeSet{}.AddAll(e.Sequences)
	for _, g := range e.Missing {
		if m := covered.Missing(g.Range); len(m) != 1 || m[0] != g.Range {
			t.Errorf("gap %+v is covered too: %v", g, covered)
		}
		covered = covered.Add(g.Range)
		c.gaps[id] = append(c.gaps[id], g)
	}
	if last := covered[len(covered)-1].Last; e.Head < last || covered[0].First < 1 {
		t.Errorf("head %d of an envelope that covers %v", e.Head, covered)
	}
	if c.ledger[id].ContainsAll(covered) {
		c.repeats++
	} else {
		for _, s := range e.Samples {
			if v := int(s.Value); !slices.Contains(c.values, v) {
				c.values = append(c.values, v)
			}
		}
		for _, x := range e.Transitions {
			if !slices.Contains(c.raised, x.ID) {
				c.raised = append(c.raised, x.ID)
			}
		}
	}
	c.ledger[id] = c.ledger[id].AddAll(covered)
	return envelope.Receipt{Epoch: e.Epoch, Log: e.Log, Sequences: covered, Verdict: envelope.Stored}
}

// wantValues fails unless the cloud has each of 0..n-1, but for lost ones,
// exactly once.
func (c *cloud) wantValues(t testing.TB, n int, lost ...int) {
	t.Helper()
	var want []int
	for i := range n {
		if !slices.Contains(lost, i) {
			want = append(want, i)
		}
	}
	got := slices.Clone(c.values)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("cloud has %s, want %s", brief(got), brief(want))
	}
}

// wantNoHoles fails unless every ledger is one range from 1.
func (c *cloud) wantNoHoles(t testing.TB) {
	t.Helper()
	for id, l := range c.ledger {
		if len(l) != 1 || l[0].First != 1 {
			t.Errorf("ledger of %s has holes: %v", id, l)
		}
	}
}

func brief(v []int) string {
	if len(v) > 12 {
		return fmt.Sprintf("%d of %v…%v", len(v), v[:6], v[len(v)-6:])
	}
	return fmt.Sprint(v)
}

func isFull(err error) bool { return errors.Is(err, outbox.ErrFull) || vfs.IsNoSpace(err) }
