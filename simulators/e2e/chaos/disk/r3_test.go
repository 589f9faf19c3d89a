package disk_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/cell"
	"github.com/linshao/linshao/simulators/e2e/chaos/powercut"
)

// workers is how many daemons run at once.
const workers = 2

// bound ends a wait for a daemon that hangs; no speed is judged by it.
const bound = 30 * time.Second

// raisedBy are the rules of an access gate that an event raises a ticket by.
func raisedBy(event string) string {
	return map[string]string{"door_forced_open": "forced", "tamper_alarm": "tamper", "duress": "duress"}[event]
}

// TestChaosR3 cuts the power at every sync of a recorded life of an edge, and
// of a cloud, and starts the daemon on what may be left of the disk.
func TestChaosR3(t *testing.T) {
	r := row.Begin(t, "R3", "power cut: un-synced writes dropped, reordered, torn")
	needTool(r, "strace")
	dir := fast(t)
	x := newRecorder(t, filepath.Join(dir, "recorded"), "")
	tr := x.run(r.Full())
	sameAsDisk(t, tr, "", x.c.Data, func(string) bool { return false })
	rec, err := cell.Recorded(tr, portOf(t, x.c.MQTT), portOf(t, x.c.Collector.URL()))
	must(t, err)
	if len(rec.Told) != len(x.j.Acked()) || len(tr.Mapped) > 0 {
		t.Fatalf("the trace shows %d PUBACKs, devices saw %d; mapped files: %v", len(rec.Told), len(x.j.Acked()), tr.Mapped)
	}
	r.Count("edge_messages_acked", len(rec.Told))
	r.Count("edge_syncs", len(tr.Syncs())/2)
	e := edgeImages{t: t, r: r, dir: dir, tr: tr, rec: rec, violate: r.Violation}
	e.run(r.N(24, 5000))
}

// edgeImages starts an edge on each image of a recording.
type edgeImages struct {
	t   *testing.T
	r   *row.Row
	dir string
	tr  *powercut.Trace
	rec *cell.Recording
	// violate hears of each broken promise; it is called concurrently.
	violate func(format string, args ...any)
}

// cut is one image to be judged.
type cut struct {
	at   int
	name string
	im   *powercut.Image
}

// run judges n images: at each sync what is worst and what chance makes of it,
// then chance anywhere.
func (e *edgeImages) run(n int) {
	free := make(chan *cell.Cell, workers)
	for i := range workers {
		free <- smallCell(e.t, filepath.Join(e.dir, fmt.Sprint("worker-", i)), "")
	}
	d, err := e.tr.NewDisk("")
	must(e.t, err)
	var wg sync.WaitGroup
	for i, at := range positions(e.tr, n, e.r.Rand(1)) {
		must(e.t, d.Advance(at))
		c := cut{at: at, im: d.Worst(), name: fmt.Sprintf("worst at %d", at)}
		if i%3 > 0 {
			c.im, c.name = d.Crash(e.r.Rand(i)), fmt.Sprintf("seed %d of case %d at %d", e.r.Seed(i), i, at)
		}
		on := <-free
		must(e.t, os.RemoveAll(on.Data))
		must(e.t, c.im.Write(on.Data))
		wg.Go(func() {
			defer func() { free <- on }()
			e.judge(on, c)
		})
	}
	wg.Wait()
}

// positions picks n positions in order: every sync, as often as it fits, and
// a tenth anywhere.
func positions(t *powercut.Trace, n int, r *rand.Rand) []int {
	syncs := t.Syncs()
	out := make([]int, 0, n)
	for i := range n {
		if i%10 == 9 {
			out = append(out, r.IntN(t.Len()+1))
			continue
		}
		// A stride that shares no factor with the number spreads few and
		// visits all.
		out = append(out, syncs[i*len(syncs)/max(1, min(n, len(syncs)))%len(syncs)])
	}
	slices.Sort(out)
	return out
}

// judge starts the edge on an image and compares what it still delivers with
// what it had acknowledged.
func (e *edgeImages) judge(on *cell.Cell, c cut) {
	on.Collector.Restart(e.rec.SettledBefore(c.at))
	began := time.Now()
	defer on.Edge.Kill()
	if err := on.Edge.TryStart(); err != nil {
		e.violate("%s: start: %v", c.name, err)
		return
	}
	if err := on.Drain(bound); err != nil {
		e.violate("%s: not opened or not drained: %v", c.name, err)
		return
	}
	e.r.Observe("edge_open_and_drain_ms", float64(time.Since(began).Milliseconds()))
	e.r.Count("images", 1)
	e.r.Count("edge_images", 1)
	held := on.Collector.Turn()
	e.acked(held, c)
	e.r.Count("gaps_reported", len(held.Lost()))
	for _, why := range held.Invented(e.rec.Said) {
		e.violate("%s: %s", c.name, why)
	}
	e.goesOn(on, held, c)
}

// acked: what was acknowledged and has no Receipt is delivered, bit by bit.
func (e *edgeImages) acked(held *cell.Ledger, c cut) {
	for _, m := range e.rec.MustHold(c.at) {
		e.r.Count("acked_messages_checked", 1)
		for f, v := range m.Facts {
			if got, ok := held.Has(f); !ok || got != v {
				e.violate("%s: %v, acknowledged at %d, settled at %d, is gone or wrong (%t); %d others came, gaps %v",
					c.name, f, m.AckAt, m.SettledAt, ok, held.Facts(), held.Lost())
				break // one of a message is enough
			}
		}
	}
	before := e.rec.SentBefore(c.at)
	for _, m := range e.rec.ToldBefore(c.at) {
		for f := range m.Facts {
			rule := raisedBy(f.Name)
			if !f.Event || rule == "" {
				continue
			}
			ids := map[string]bool{}
			now := held.Raised(f.Device, rule)
			for _, id := range append(now, before.Raised(f.Device, rule)...) {
				ids[string(id)] = true
			}
			if len(now) == 0 && !e.rec.RaisedBefore(c.at, f.Device, rule) {
				e.violate("%s: the ticket of %v is gone", c.name, f)
			}
			if len(ids) > 1 {
				e.violate("%s: %d tickets of %v", c.name, len(ids), f)
			}
		}
	}
}

// goesOn: the edge takes new messages under new Sequences, and knows its
// tickets.
func (e *edgeImages) goesOn(on *cell.Cell, held *cell.Ledger, c cut) {
	j, ts := cell.NewJournal(), time.Now().UnixMilli()
	probes := []*cell.Message{cell.Sample(0, "probe", ts, 1), cell.Event(0, "door_forced_open", ts)}
	if n, err := on.Publish(j, 0, probes...); err != nil {
		e.violate("%s: %d of 2 new messages taken: %v", c.name, n, err)
		return
	}
	for len(j.Missing(on.Collector.Held())) > 0 {
		heard := on.Collector.Heard()
		if len(j.Missing(on.Collector.Held())) == 0 {
			break
		}
		select {
		case <-heard:
		case <-time.After(bound):
			e.violate("%s: new messages are not delivered: %v", c.name, j.Missing(on.Collector.Held()))
			return
		}
	}
	fresh, before := on.Collector.Held(), e.rec.SentBefore(c.at)
	for _, old := range []*cell.Ledger{held, before} {
		if twice := fresh.Overlaps(old); twice != "" {
			e.violate("%s: Sequences given out twice: %s", c.name, twice)
		}
	}
	known := append(held.Raised(cell.Gate(0), "forced"), before.Raised(cell.Gate(0), "forced")...)
	if again := fresh.Raised(cell.Gate(0), "forced"); len(known) > 0 && len(again) > 0 && !slices.Contains(known, again[0]) {
		e.violate("%s: a second ticket of one condition", c.name)
	}
}
