package simulation

import (
	"context"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linshao/linshao/protocol/kit/memnet"
)

// Options of a run.
type Options struct {
	Seed uint64
	// For is how long faults and work go on, in virtual time.
	For time.Duration
	// Liveness: faults stop then, and all must be done within healWithin; else
	// everything loses its power at that instant first.
	Liveness bool
	// Calm: no faults but Lost.
	Calm bool
	// Lost is the share of pieces lost on the way between edges and cloud.
	Lost float64
	// Edges fixes their number; 0: the seed decides.
	Edges int
	// Settle is synctest.Wait.
	Settle func()
	// LyingDisk: the disks of the edges answer a sync without doing it. It is
	// there to prove that the simulation notices.
	LyingDisk bool
	// Dir is where clouds keep their data, best in memory.
	Dir string
	// TraceTo gets the trace in words; nil: only its sum is kept.
	TraceTo io.Writer
	// Log gets what the daemons say; nil: nothing is kept.
	Log io.Writer
}

// Outcome is what a run showed.
type Outcome struct {
	// Trace is a sum of everything that happened between the parts: two runs
	// with the same did the same.
	Trace uint64
	// Told counts samples and events, Acked those with a PUBACK, Held the
	// samples that the cloud shows; Delivered the pieces that the network
	// brought; Bus all that happened on the bus; Timers how often the daemons
	// set one.
	Told, Acked, Held  int
	Delivered, Bus     int
	Timers, Faults     int
	Tickets, Pages     int
	PossibleDuplicates int
	Raised, Restarts   int
	Violations         []string
}

// World is one run.
type World struct {
	o    Options
	town *Town
	dir  string
	rng  *rand.Rand
	ctx  context.Context
	stop context.CancelFunc
	wg   sync.WaitGroup

	bus     *memnet.Bus
	net     *memnet.Net
	fires   atomic.Int64
	cloud   *cloudSide
	edges   []*edgeSide
	devices []*device
	pager   *pager
	client  *http.Client
	judge   *memnet.Host

	journal  []*told
	told     int
	faults   int
	restarts int
	healthy  bool // no fault is to begin any more
	upset    []disturbance
	// resolved are tickets that a clerk called done; should the condition come
	// again they are opened, and their steps begin anew.
	resolved map[string]bool
	sum      hash.Hash64
	traced   int
	out      Outcome
}

// disturbance is a stretch of time in which pages or their answers could get
// lost.
type disturbance struct{ from, to time.Duration }

// Run simulates one seed. It must be called in a bubble of testing/synctest
// and leaves nothing behind in it.
func Run(ctx context.Context, town *Town, o Options) (Outcome, error) {
	w, err := open(ctx, town, o)
	if err != nil {
		return Outcome{}, err
	}
	defer w.close()
	w.live()
	w.weigh()
	return w.outcome(), nil
}

// open builds a world and starts everything in it. Close it.
func open(ctx context.Context, town *Town, o Options) (*World, error) {
	dir, err := os.MkdirTemp(o.Dir, "sim")
	if err != nil {
		return nil, err
	}
	w := &World{o: o, town: town, dir: dir, resolved: map[string]bool{}, rng: rand.New(rand.NewPCG(o.Seed, 11)), sum: fnv.New64a()} //nolint:gosec // reproducible by intent
	w.ctx, w.stop = context.WithCancel(ctx)
	w.bus = memnet.NewBus(o.Settle)
	w.net = memnet.New(w.bus, o.Seed)
	w.net.Observe(func(from, to, what string) { w.trace(what, from, to) })
	if err := w.build(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *World) log(name string) *slog.Logger {
	if w.o.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(w.o.Log, nil)).With("of", name)
}

func (w *World) build() error {
	w.judge = w.net.Host("judge", "10.9.9.9")
	w.client = &http.Client{Transport: &http.Transport{DialContext: w.judge.Dial}, Timeout: time.Minute}
	w.pager = newPager(w)
	w.cloud = &cloudSide{w: w, dir: w.dir}
	if err := w.cloud.install(); err != nil {
		return err
	}
	edges := 1 + w.rng.IntN(mostEdges)
	if w.o.Edges > 0 {
		edges = w.o.Edges
	}
	for i := range edges {
		e := newEdgeSide(w, i)
		w.edges = append(w.edges, e)
		for d := range mostDevices / edges {
			w.devices = append(w.devices, newDevice(w, i, d))
		}
	}
	w.cloud.start()
	for _, e := range w.edges {
		w.wan(e.i, func(p *memnet.Path) { p.Least, p.Most, p.Lost = 5*time.Millisecond, 60*time.Millisecond, w.o.Lost })
		e.start()
	}
	return nil
}

// wan changes both directions between an edge and the cloud.
func (w *World) wan(i int, change func(*memnet.Path)) {
	w.net.Change(edgeID(i), "cloud", change)
	w.net.Change("cloud", edgeID(i), change)
}

// trueMS is the time that a right clock shows.
func (w *World) trueMS() int64 { return time.Now().Add(epoch).UnixMilli() }

// trace adds to the sum of the run what happened and when.
func (w *World) trace(what, a, b string) {
	w.traced++
	fmt.Fprintf(w.sum, "%d %s %s %s\n", w.bus.Now(), what, a, b)
	if w.o.TraceTo != nil {
		fmt.Fprintf(w.o.TraceTo, "%d %s %s %s\n", w.bus.Now(), what, a, b)
	}
}

// go_ starts something that ends with the world.
func (w *World) go_(f func()) { w.wg.Go(f) }

// soon has f called on the bus, in the order of names among those who ask in
// the same instant.
func (w *World) soon(name string, f func()) {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name)
	w.bus.At(w.bus.Now()+time.Microsecond, h.Sum64(), f)
}

// after has f called on the bus, at an instant of its own.
func (w *World) after(d time.Duration, name string, f func()) {
	h := fnv.New64a()
	_, _ = io.WriteString(h, name)
	// Whole milliseconds belong to the daemons' own timers.
	odd := time.Duration(h.Sum64()%900_000) + 50_000
	w.bus.At((w.bus.Now()+d).Truncate(time.Millisecond)+odd, h.Sum64(), f)
}

// violated notes that a promise was broken.
func (w *World) violated(format string, args ...any) {
	w.out.Violations = append(w.out.Violations, fmt.Sprintf(format, args...))
}

// disturbed notes that pages may get lost for a while.
func (w *World) disturbed(d time.Duration) {
	now := w.bus.Now()
	w.upset = append(w.upset, disturbance{now, now + d})
}

// wait lets things go on until f has returned. f may use the network.
func (w *World) wait(f func()) {
	done := make(chan struct{})
	w.go_(func() { f(); close(done) })
	for {
		w.bus.Run(w.bus.Now() + 50*time.Millisecond)
		select {
		case <-done:
			return
		default:
		}
	}
}
