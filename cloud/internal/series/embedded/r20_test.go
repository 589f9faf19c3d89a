package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/cloud/internal/series/embedded"
	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/protocol/telemetry"
)

// Row R20: samples come late, out of order and twice, while the store compacts
// and truncates, is closed and opened, and loses its power. Every sample that
// was acknowledged is read back with its value, nothing else is, and the
// latest value never moves back.
func TestChaosR20(t *testing.T) {
	r := row.Begin(t, "R20", "late samples, compaction, restarts")
	var wg sync.WaitGroup
	next := make(chan int)
	for range 2 {
		wg.Go(func() {
			for i := range next {
				newHistory(t, r, i).run()
			}
		})
	}
	for i := range r.N(2, 1000) {
		next <- i
		r.Count("sequences", 1)
	}
	close(next)
	wg.Wait()
}

// spot is where a sample lies.
type spot struct {
	edge, device, metric string
	at                   int64
}

func (p spot) line() spot { p.at = 0; return p }

// history is one store through many lives, and what it was told.
type history struct {
	t    *testing.T
	row  *row.Row
	rng  *rand.Rand
	dir  string
	seed uint64

	// oldest is how late its samples may be, in ms. What is late by weeks
	// costs the library hundreds of blocks, so few histories have that.
	oldest int64
	store  *embedded.Store
	latest *series.Latest

	mu sync.Mutex // guards the following
	// now moves forward only.
	now time.Time
	// told holds the values sent for each spot: one of them must be there if
	// the spot is acked.
	told  map[spot][]float64
	acked map[spot]bool
	// newest is what latest said last, by series.
	newest map[spot]int64
	n      int
	// done is what happened, to tell when something is missing.
	done []string
}

func newHistory(t *testing.T, r *row.Row, i int) *history {
	h := &history{
		t: t, row: r, rng: r.Rand(i), seed: r.Seed(i), now: noon, told: map[spot][]float64{}, acked: map[spot]bool{}, newest: map[spot]int64{},
		latest: series.NewLatest(),
	}
	h.oldest = 26 * 3600_000
	if i%8 == 7 {
		h.oldest = 39 * 24 * 3600_000
	}
	h.dir = h.folder()
	h.open()
	return h
}

const memory = "/dev/shm"

func (h *history) folder() string {
	root := ""
	if _, err := os.Stat(memory); err == nil {
		root = memory // a copy of the files is the power cut: no disk is needed
	}
	dir, err := os.MkdirTemp(root, "r20-")
	if err != nil {
		h.t.Fatal(err)
	}
	return dir
}

func (h *history) violation(format string, args ...any) {
	h.row.Violation("seed %d: "+format+", after %v", append(append([]any{h.seed}, args...), h.done)...)
}

func (h *history) open() {
	s, err := embedded.Open(h.t.Context(), embedded.Options{
		Dir: h.dir, Retention: 400 * 24 * time.Hour, Now: h.clock, Log: slog.New(slog.DiscardHandler), SegmentBytes: 64 << 10,
	})
	if err != nil {
		h.violation("it does not open: %v", err)
		h.t.FailNow()
	}
	h.store = s
}

func (h *history) clock() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.now
}

// run is one sequence.
func (h *history) run() {
	for range 24 {
		switch k := h.rng.IntN(20); {
		case k < 11:
			h.does("append")
			h.append(h.group())
		case k < 13:
			h.does("pass")
			h.pass()
		case k < 15:
			h.does("compact")
			h.compact()
		case k < 16:
			h.does("append while compacting")
			h.together()
		case k < 18:
			h.does("reopen")
			h.reopen()
		case k < 19:
			h.does("cut power")
			h.cutPower(false)
		default:
			h.does("cut power while busy")
			h.cutPower(true)
		}
		if h.rng.IntN(3) == 0 {
			h.judge()
		}
	}
	h.judge()
	h.reopen()
	h.row.Count("samples", len(h.acked))
	if err := errors.Join(h.store.Close(), os.RemoveAll(h.dir)); err != nil {
		h.violation("close: %v", err)
	}
}

func (h *history) does(what string) { h.done = append(h.done, what) }

// pass lets time go by: minutes, or long enough for the head to be compacted.
func (h *history) pass() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now = h.now.Add([]time.Duration{time.Minute, time.Hour, 4 * time.Hour, 26 * time.Hour}[h.rng.IntN(4)])
}

// group makes samples of now, late ones, and some that were sent before.
func (h *history) group() []series.Batch {
	h.mu.Lock()
	defer h.mu.Unlock()
	b := series.Batch{Estate: "garden", Edge: fmt.Sprint("garden-", h.rng.IntN(2))}
	now := h.now.UnixMilli()
	late := [...]int64{0, 0, 0, 60_000, 3600_000, h.oldest}[h.rng.IntN(6)]
	known := h.known(b.Edge)
	for range 1 + h.rng.IntN(60) {
		p := spot{b.Edge, fmt.Sprint("lift-", h.rng.IntN(3)), []string{"motor_temp", "speed"}[h.rng.IntN(2)], now - h.rng.Int64N(300_000)}
		if late > 0 {
			p.at = now - h.rng.Int64N(late)
		}
		if len(known) > 0 && h.rng.IntN(5) == 0 {
			p = known[h.rng.IntN(len(known))]
			if p.at < now-series.OldestAgeMS {
				continue // it can never be stored any more
			}
		}
		h.n++
		v := float64(h.n)
		if before := h.told[p]; len(before) > 0 && h.rng.IntN(4) > 0 {
			v = before[0] // sent again, as it was
		} else {
			h.told[p] = append(before, v)
		}
		b.Samples = append(b.Samples, telemetry.Sample{
			Key: telemetry.SeriesKey{Device: p.device, Kind: "elevator", Metric: p.metric}, AtMS: p.at, DeviceMS: p.at, EdgeMS: now, Value: v,
		})
	}
	return []series.Batch{b}
}

// known are the spots of an edge, in an order that the seed alone decides.
func (h *history) known(edge string) (out []spot) {
	for p := range h.told {
		if p.edge == edge {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b spot) int {
		return slices.Compare([]string{a.device, a.metric, fmt.Sprint(a.at)}, []string{b.device, b.metric, fmt.Sprint(b.at)})
	})
	return out
}

// append sends a group and takes nil for an answer.
func (h *history) append(group []series.Batch) {
	tally, err := h.store.Append(h.t.Context(), group)
	if err != nil {
		h.violation("append: %v", err)
		return
	}
	if len(tally.Refused) > 0 {
		h.violation("samples in time are refused: %v", tally.Refused)
	}
	h.latest.Observe(group)
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, b := range group {
		for _, s := range b.Samples {
			h.acked[spot{b.Edge, s.Key.Device, s.Key.Metric, s.AtMS}] = true
		}
	}
}

func (h *history) compact() {
	if err := h.store.Compact(h.t.Context()); err != nil {
		h.violation("compact: %v", err)
	}
	h.row.Count("compactions", 1)
}

// together appends while the store compacts.
func (h *history) together() {
	var wg sync.WaitGroup
	wg.Go(h.compact)
	for range 3 {
		h.append(h.group())
	}
	wg.Wait()
}

func (h *history) reopen() {
	if err := h.store.Close(); err != nil {
		h.violation("close: %v", err)
	}
	h.open()
	h.judge()
	h.row.Count("restarts", 1)
}

// cutPower goes on from a copy of the directory: there is no Close and no last
// flush. If busy, the copy is taken while the store works, logs before blocks,
// as what a compaction writes to the one it takes from the other.
func (h *history) cutPower(busy bool) {
	before := h.snapshot()
	var wg sync.WaitGroup
	if busy {
		wg.Go(h.compact)
		wg.Go(func() {
			for _, g := range h.groups(3) {
				h.append(g)
			}
		})
	}
	cut := h.folder()
	for try := 0; ; try++ {
		err := copyInOrder(cut, h.dir)
		if err == nil {
			break
		}
		if try == 100 { // not only because it changed under our hands
			h.violation("copy: %v", err)
			break
		}
		if err := errors.Join(os.RemoveAll(cut), os.Mkdir(cut, 0o700)); err != nil {
			h.violation("copy: %v", err)
		}
	}
	wg.Wait()
	if err := errors.Join(h.store.Close(), os.RemoveAll(h.dir)); err != nil {
		h.violation("close: %v", err)
	}
	h.mu.Lock()
	h.dir, h.acked = cut, before
	clear(h.newest)
	h.mu.Unlock()
	h.latest = series.NewLatest()
	h.open()
	h.judge()
	h.row.Count("power_cuts", 1)
}

// groups makes them beforehand: the seed decides what is in them.
func (h *history) groups(n int) (out [][]series.Batch) {
	for range n {
		out = append(out, h.group())
	}
	return out
}

func (h *history) snapshot() map[spot]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	out := make(map[spot]bool, len(h.acked))
	for p := range h.acked {
		out[p] = true
	}
	return out
}

func copyInOrder(to, from string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	names := []string{"wal", "wbl", "chunks_head"}
	for _, e := range entries {
		if e.Name() != "lock" && !slices.Contains(names, e.Name()) {
			names = append(names, e.Name())
		}
	}
	for _, name := range names {
		src := filepath.Join(from, name)
		if info, err := os.Stat(src); errors.Is(err, fs.ErrNotExist) && slices.Contains(names[:3], name) {
			continue
		} else if err != nil {
			return err
		} else if !info.IsDir() {
			b, err := os.ReadFile(src)
			if err := errors.Join(err, os.WriteFile(filepath.Join(to, name), b, 0o600)); err != nil {
				return err
			}
			continue
		}
		if err := os.CopyFS(filepath.Join(to, name), os.DirFS(src)); err != nil {
			return err
		}
	}
	return nil
}

// judge reads everything back.
func (h *history) judge() {
	lines := map[spot]bool{}
	h.mu.Lock()
	for p := range h.told {
		lines[p.line()] = true
	}
	h.mu.Unlock()
	there := map[spot]float64{}
	for l := range lines {
		sel := series.Selector{Estate: "garden", Edge: l.edge, Device: l.device, Metric: l.metric}
		points, err := h.store.Range(h.t.Context(), sel, 0, h.clock().UnixMilli()+3600_000, 0)
		if err != nil {
			h.violation("read: %v", err)
			continue
		}
		for _, p := range points {
			at := l
			at.at = p.AtMS
			there[at] = p.Mean
			if !slices.Contains(h.told[at], p.Mean) {
				h.violation("%+v is %v, was told %v", at, p.Mean, h.told[at])
			}
		}
	}
	missing := 0
	for p := range h.acked {
		if _, ok := there[p]; !ok {
			missing++
			if missing == 1 {
				h.violation("acknowledged and not there: %+v, %v before now", p, time.Duration(h.clock().UnixMilli()-p.at)*time.Millisecond)
			}
		}
	}
	if missing > 1 {
		h.violation("%d of %d acknowledged samples are not there", missing, len(h.acked))
	}
	h.judgeLatest(there)
}

// judgeLatest: what stands at the start, and from there on, is the newest.
func (h *history) judgeLatest(there map[spot]float64) {
	newest, err := h.store.Newest(context.WithoutCancel(h.t.Context()), 0)
	if err != nil {
		h.violation("newest: %v", err)
		return
	}
	h.latest.Load(newest)
	want := map[spot]int64{}
	for p := range there {
		l := p.line()
		l.edge = ""
		want[l] = max(want[l], p.at)
	}
	for l, at := range want {
		for _, n := range h.latest.Of("garden", l.device) {
			if n.Key.Metric != l.metric {
				continue
			}
			if n.AtMS != at {
				h.violation("the latest of %+v is %d, not %d", l, n.AtMS, at)
			}
			if n.AtMS < h.newest[l] {
				h.violation("the latest of %+v moved back from %d to %d", l, h.newest[l], n.AtMS)
			}
			h.newest[l] = n.AtMS
		}
	}
}
