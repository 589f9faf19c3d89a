package outbox_test

import (
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/linshao/linshao/protocol/envelope"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// history is a rig with a memory of what was acknowledged, and a cloud that
// notices when one Sequence brings two different records.
type history struct {
	*rig
	next     int
	values   map[int]bool
	alarms   map[string]bool
	happened []string // alarms in order, acknowledged or not
	named    map[string]string
	crashed  *vfs.Mem
}

func newHistory(t testing.TB) *history {
	h := &history{rig: newRig(t, vfs.NewMem()), values: map[int]bool{}, alarms: map[string]bool{}, named: map[string]string{}}
	return h
}

// deliver leases one record at a time, so that each Sequence shows its record,
// and settles what answer says.
func (h *history) deliver(fail func(string, ...any), log envelope.Log, answer func() bool) {
	for pos := uint64(1); ; {
		e, next, err := h.box.Lease(log, pos, outbox.Last, 1)
		if err != nil {
			return // the disk did not answer; later
		}
		if next == pos {
			return
		}
		pos = next
		if len(e.Sequences)+len(e.Missing) == 0 {
			continue
		}
		content := ""
		for _, s := range e.Samples {
			content += fmt.Sprint(s.Value)
		}
		for _, x := range e.Transitions {
			content += x.ID
		}
		if content != "" {
			h.name(fail, log, next-1, content)
		}
		receipt := h.cloud.take(h.t, e)
		if answer() {
			if err := h.box.Settle(receipt); err != nil && h.crashed == nil {
				return // the disk did not answer; later
			}
		}
	}
}

// name notes which record a Sequence brought. It is the last one up to pos that
// has content; behind it the Envelope may cover the edge's own memory.
func (h *history) name(fail func(string, ...any), log envelope.Log, pos uint64, content string) {
	for ; ; pos-- {
		e, _, err := h.box.Lease(log, pos, pos+1, 1)
		if err != nil {
			return
		}
		if len(e.Samples)+len(e.Transitions) == 0 {
			continue
		}
		name := fmt.Sprint(e.Epoch, log, e.Sequences)
		if old, ok := h.named[name]; ok && old != content {
			fail("sequence %s brought %q, then %q", name, old, content)
		}
		h.named[name] = content
		return
	}
}

// commit appends a few records and takes note if they are acknowledged.
func (h *history) commit(samples, alarms int, checkpoint bool) error {
	var a, s []envelope.Record
	var ids []string
	var values []int
	for range alarms {
		h.next++
		ids = append(ids, fmt.Sprint("a", h.next))
		a = append(a, h.alarm(ids[len(ids)-1]))
	}
	h.happened = append(h.happened, ids...)
	if checkpoint {
		a = append(a, h.checkpoint(strings.Join(h.happened, " ")))
	}
	for range samples {
		h.next++
		values = append(values, h.next)
		s = append(s, h.sample(h.next))
	}
	if len(a)+len(s) == 0 {
		return nil
	}
	err := h.box.Append(h.ctx, a, s)
	for try := 0; err != nil && len(a) > 0 && try < 5; try++ {
		err = h.box.Append(h.ctx, a, s) // alarms are owed until they are taken
	}
	if err != nil {
		return err
	}
	if h.crashed != nil {
		return nil // acknowledged by a process that no longer exists
	}
	for _, v := range values {
		h.values[v] = true
	}
	for _, id := range ids {
		h.alarms[id] = true
	}
	return nil
}

// wantAll drains what is left and compares with what was acknowledged.
func (h *history) wantAll(fail func(string, ...any)) {
	remembered := map[string]bool{}
	for _, id := range h.remembered() {
		remembered[id] = true
	}
	for id := range h.alarms {
		if !remembered[id] {
			fail("acknowledged transition %s is not remembered", id)
		}
	}
	always := func() bool { return true }
	h.deliver(fail, envelope.Alarm, always)
	h.deliver(fail, envelope.Samples, always)
	h.deliver(fail, envelope.Samples, always)
	got := map[int]bool{}
	for _, v := range h.cloud.values {
		got[v] = true
	}
	for v := range h.values {
		if !got[v] {
			fail("acknowledged sample %d never reached the cloud", v)
		}
	}
	raised := map[string]bool{}
	for _, id := range h.cloud.raised {
		raised[id] = true
	}
	for id := range h.alarms {
		if !raised[id] {
			fail("acknowledged transition %s never reached the cloud", id)
		}
	}
	for id := range remembered {
		if !raised[id] {
			fail("the edge remembers %s, the cloud will never hear of it", id)
		}
	}
	for id, l := range h.cloud.ledger {
		if len(l) != 1 || l[0].First != 1 {
			fail("ledger of %s has holes: %v", id, l)
		}
	}
}

// Random histories of commits, deliveries, receipts, power cuts, kills and
// clean ends: what was acknowledged reaches the cloud or is replayed, and no
// Sequence ever names two records.
func TestAcknowledgedIsNeverLost(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := newHistory(t)
		epoch := h.box.Epoch()
		for range rapid.IntRange(1, 6).Draw(rt, "lives") {
			h.live(rt)
			if h.box.Epoch() != epoch {
				rt.Fatalf("a new epoch although nothing was lost")
			}
		}
		h.wantAll(rt.Fatalf)
	})
}

// live opens the outbox, does random things until it ends in one way or
// another, and opens it again on what is left.
func (h *history) live(rt *rapid.T) {
	m := h.fs.(*vfs.Mem)
	at, seed := rapid.IntRange(1, 120).Draw(rt, "call"), rapid.Uint64().Draw(rt, "seed")
	kill := rapid.Bool().Draw(rt, "kill")
	h.crashed = nil
	h.fs = vfs.NewFaulty(m, func(op vfs.Op) error {
		if op.Any == at { // from here on the process is dead
			if h.crashed = m.Crash(seed); kill {
				h.crashed = m.Clone()
			}
		}
		return nil
	})
	h.open()
	for h.crashed == nil {
		switch rapid.IntRange(0, 9).Draw(rt, "do") {
		case 0, 1, 2, 3:
			n := rapid.IntRange(0, 4)
			check(h.t, h.commit(n.Draw(rt, "samples"), n.Draw(rt, "alarms"), rapid.IntRange(0, 4).Draw(rt, "checkpoint") == 0))
		case 4, 5, 6:
			log := rapid.SampledFrom([]envelope.Log{envelope.Alarm, envelope.Samples}).Draw(rt, "log")
			some := rapid.IntRange(0, 3).Draw(rt, "receipts lost")
			n := 0
			h.deliver(rt.Fatalf, log, func() bool { n++; return some == 0 || n%(some+1) == 0 })
		case 7:
			h.clock.Advance(10 * time.Second)
		case 8:
			_, _, err := h.box.NextSession()
			check(h.t, err)
		case 9:
			check(h.t, h.box.Close())
			if h.crashed == nil {
				h.crashed = m.Crash(seed)
			}
		}
	}
	h.fs, h.crashed = h.crashed, nil
	h.open()
	h.happened = h.remembered() // all that the next process knows
}

// remembered is what Replay tells, checkpoints unfolded.
func (h *history) remembered() (ids []string) {
	for _, line := range h.replay() {
		for _, id := range strings.Fields(line) {
			if strings.HasPrefix(id, "a") {
				ids = append(ids, id)
			}
		}
	}
	return ids
}

// The n-th call of a kind fails, some of the next too: nothing acknowledged is
// lost and the outbox works again as soon as the disk does.
func TestDiskErrors(t *testing.T) {
	t.Parallel()
	kinds := []vfs.Kind{
		vfs.OpCreate, vfs.OpOpen, vfs.OpEdit, vfs.OpRemove, vfs.OpRename, vfs.OpSyncDir,
		vfs.OpWrite, vfs.OpSync, vfs.OpAllocate, vfs.OpTruncate, vfs.OpRead,
	}
	for _, k := range kinds {
		for n := 1; n <= 200; n += 1 + n/40*6 { // every call up to 40, then every seventh and more; package segment does them all
			fault := []error{syscall.EIO, syscall.ENOSPC}[n%2]
			if k == vfs.OpRead || k == vfs.OpSync {
				fault = syscall.EIO
			}
			if !brokenDisk(t, k, n, fault) {
				break // there is no n-th call
			}
		}
	}
}

func brokenDisk(t *testing.T, k vfs.Kind, n int, fault error) (fired bool) {
	t.Helper()
	h := newHistory(t)
	fail := func(format string, a ...any) {
		t.Errorf("%s %d %v: %s", k, n, fault, fmt.Sprintf(format, a...))
	}
	m := h.fs.(*vfs.Mem)
	h.fs = vfs.NewFaulty(m, func(op vfs.Op) error {
		if op.Kind == k && op.Nth >= n && op.Nth <= n+n%3 {
			fired = true
			return fault
		}
		return nil
	})
	var err error
	if h.box, err = outbox.Open(h.fs, "/box", h.o); err != nil {
		h.fs = m // refused; it is well the next time
		h.open()
	}
	row := 0
	for i := range 40 {
		if err := h.commit(3, i%3, i%7 == 6); err != nil {
			if row++; row > 4 {
				t.Fatalf("%s %d %v: does not recover: %v", k, n, fault, err)
			}
		} else {
			row = 0
		}
		if i%5 == 4 {
			h.deliver(fail, envelope.Alarm, func() bool { return true })
			h.deliver(fail, envelope.Samples, func() bool { return i%2 == 0 })
			h.clock.Advance(3 * time.Second)
		}
	}
	h.fs = m.Crash(uint64(n))
	h.open()
	h.wantAll(fail)
	return fired
}

// cut is a disk as a power cut would leave it, and how much had been
// acknowledged by then.
type cut struct {
	at    int
	seed  uint64
	fs    *vfs.Mem
	acked int
}

// cuts lives through n commits and returns the disks that power cuts at the
// calls from..to would leave, one per seed.
func cuts(t *testing.T, from, to int, seeds uint64, n int, change func(*history), commit func(*history, int)) (out []cut) {
	t.Helper()
	h := newHistory(t)
	if change != nil {
		change(h)
	}
	m, acked := h.fs.(*vfs.Mem), 0
	h.fs = vfs.NewFaulty(m, func(op vfs.Op) error {
		for seed := range seeds {
			if from <= op.Any && op.Any <= to {
				out = append(out, cut{op.Any, seed, m.Crash(uint64(op.Any)<<8 + seed), acked})
			}
		}
		return nil
	})
	h.open()
	for ; acked < n; acked++ {
		commit(h, acked)
	}
	if len(out) == 0 {
		t.Fatal("the history is shorter than that")
	}
	return out
}

// Wherever the power goes, a sample that is found has its ticket beside it.
func TestNoSampleWithoutItsTransition(t *testing.T) {
	t.Parallel()
	for _, c := range cuts(t, 1, 120, 6, 20, nil, func(h *history, i int) {
		check(t, h.box.Append(h.ctx, []envelope.Record{h.alarm(fmt.Sprint("a", i))}, []envelope.Record{h.sample(i)}))
	}) {
		h := newHistory(t)
		h.fs = c.fs
		h.open()
		h.drain(envelope.Alarm, true)
		h.drain(envelope.Samples, true)
		for _, v := range h.cloud.values {
			if !slices.Contains(h.cloud.raised, fmt.Sprint("a", v)) {
				t.Errorf("cut at %d, seed %d: sample %d without its transition", c.at, c.seed, v)
			}
		}
	}
}

// A checkpoint found after a power cut knows of no Transition that is not found
// as well.
func TestNoCheckpointWithoutItsTransitions(t *testing.T) {
	t.Parallel()
	for _, c := range cuts(t, 1, 60, 20, 4, nil, func(h *history, i int) {
		a := h.alarm(fmt.Sprint("a", i))
		a.Transitions[0].Note = noise(i, 600) // more than a sector
		check(t, h.box.Append(h.ctx, []envelope.Record{a, h.checkpoint(fmt.Sprint("a", i))}, nil))
	}) {
		h := newHistory(t)
		h.fs = c.fs
		h.open()
		h.drain(envelope.Alarm, true)
		for _, id := range h.remembered() {
			if !slices.Contains(h.cloud.raised, id) {
				t.Errorf("cut at %d, seed %d: %s is in a checkpoint only", c.at, c.seed, id)
			}
		}
	}
}

// Dropping the oldest samples is safe at every point: each acknowledged one
// reaches the cloud or is reported as gone.
func TestPowerCutsWhileDropping(t *testing.T) {
	t.Parallel()
	small := func(h *history) { h.o.MaxBytes, h.o.SampleSegment = 256<<10, 8<<10 }
	for _, c := range cuts(t, 700, 900, 1, 300, small, func(h *history, i int) {
		check(t, h.box.Append(h.ctx, nil, []envelope.Record{h.wide(i)}))
	}) {
		h := newHistory(t)
		small(h)
		h.fs, h.leaseBytes = c.fs, 1<<20
		h.open()
		h.drain(envelope.Samples, true)
		told := map[int]bool{}
		for _, v := range h.cloud.values {
			told[v] = true
		}
		for _, gs := range h.cloud.gaps {
			for _, g := range gs {
				for s := g.First; s <= g.Last; s++ {
					told[int(s)-1] = true
				}
			}
		}
		for v := range c.acked {
			if !told[v] {
				t.Errorf("cut at %d: sample %d of %d is gone silently", c.at, v, c.acked)
				break
			}
		}
	}
}
