package simulation

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
)

// TestMain gives the process one core: what the Go scheduler decides is then
// hardly ever seen from outside.
func TestMain(m *testing.M) {
	runtime.GOMAXPROCS(1)
	os.Exit(m.Run())
}

// Environment of a worker, and of whoever looks closer at a seed.
const (
	seedsEnv = "SIM_SEEDS" // file of seeds, one a line: be a worker
	forEnv   = "SIM_FOR"   // virtual time of a run
	logEnv   = "SIM_LOG"   // file for what the daemons say
	traceEnv = "SIM_TRACE" // file for the trace in words
)

// Virtual time of a run.
const (
	shortFor = 5 * time.Minute
	fullFor  = 2 * time.Hour
)

// inMemory is a folder that needs no disk, where there is one.
func inMemory(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "linshao")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func newTown(t testing.TB) *Town {
	t.Helper()
	town, err := NewTown(t.Context(), inMemory(t))
	if err != nil {
		t.Fatal(err)
	}
	return town
}

// simulate runs one seed in a bubble of its own.
func simulate(t *testing.T, town *Town, o Options) (out Outcome) {
	t.Helper()
	inBubble(t, town, o, func(ctx context.Context, o Options) (err error) {
		out, err = Run(ctx, town, o)
		return err
	})
	return out
}

func inBubble(t *testing.T, town *Town, o Options, run func(context.Context, Options) error) {
	t.Helper()
	o.Dir = town.dir
	for env, w := range map[string]func(f *os.File){logEnv: func(f *os.File) { o.Log = f }, traceEnv: func(f *os.File) { o.TraceTo = f }} {
		if name := os.Getenv(env); name != "" {
			f, err := os.Create(name)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			w(f)
		}
	}
	cryptotest.SetGlobalRandom(t, o.Seed)
	synctest.Test(t, func(t *testing.T) {
		o.Settle = synctest.Wait
		if err := run(t.Context(), o); err != nil {
			t.Error(err)
		}
	})
}

// ofSeed is all that a seed means.
func ofSeed(seed uint64, lasts time.Duration) Options {
	return Options{Seed: seed, For: lasts, Liveness: seed*0x9e3779b97f4a7c15>>63 == 1}
}

func duration(r *row.Row) time.Duration {
	if d, err := time.ParseDuration(os.Getenv(forEnv)); err == nil {
		return d
	}
	if r.Full() {
		return fullFor
	}
	return shortFor
}

// regressions are seeds that found something once.
func regressions(t *testing.T) []uint64 {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "seeds.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var seeds []uint64
	for line := range strings.Lines(string(b)) {
		word, _, _ := strings.Cut(line, "#")
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		seed, err := strconv.ParseUint(word, 10, 64)
		if err != nil {
			t.Fatalf("seeds.txt: %v", err)
		}
		seeds = append(seeds, seed)
	}
	return seeds
}

func TestChaosR11(t *testing.T) {
	if file := os.Getenv(seedsEnv); file != "" {
		work(t, file)
		return
	}
	r := row.Begin(t, "R11", "edges, WAN, cloud and pager simulated on virtual time")
	seeds := regressions(t)
	for i := range r.N(2, 1000) {
		seeds = append(seeds, r.Seed(i))
	}
	if os.Getenv("CHAOS_N") != "" {
		seeds = seeds[len(regressions(t)):] // one seed again, and no other
	}
	lasts := duration(r)
	began := time.Now()
	note := func(seed uint64, out Outcome) { report(r, seed, lasts, out) }
	if r.Full() && len(seeds) > 1 {
		fork(t, seeds, lasts, note)
	} else {
		town := newTown(t)
		for _, seed := range seeds {
			note(seed, simulate(t, town, ofSeed(seed, lasts)))
		}
	}
	r.Observe("virtual_per_real", float64(len(seeds))*lasts.Seconds()/time.Since(began).Seconds())
}

func report(r *row.Row, seed uint64, lasts time.Duration, o Outcome) {
	r.Count("seeds", 1)
	r.Count("virtual_seconds", int(lasts.Seconds()))
	r.Count("samples_and_alarms_told", o.Told)
	r.Count("samples_held", o.Held)
	r.Count("pieces_delivered", o.Delivered)
	r.Count("faults", o.Faults)
	r.Count("restarts", o.Restarts)
	r.Count("tickets", o.Tickets)
	r.Count("page_requests", o.Pages)
	r.Count("possible_duplicate_pages", o.PossibleDuplicates)
	// Timers are the daemons' own and not counted among the events.
	r.Count("events", o.Told+o.Delivered+o.Faults+o.Pages)
	r.Count("timers_set", o.Timers)
	for _, v := range o.Violations {
		r.Violation("CHAOS_MODE=%s %s=%s CHAOS_SEED=%d CHAOS_N=1 go test ./simulation -run TestChaosR11: %s", modeOf(r), forEnv, lasts, seed, v)
	}
}

func modeOf(r *row.Row) string {
	if r.Full() {
		return "full"
	}
	return "short"
}

// batch is how many seeds a worker runs before a fresh one takes over.
const batch = 20

// fork has worker processes, one a core, run the seeds.
func fork(t *testing.T, seeds []uint64, lasts time.Duration, note func(uint64, Outcome)) {
	t.Helper()
	dir := t.TempDir()
	batches := make(chan []uint64)
	var mu sync.Mutex
	var wg sync.WaitGroup
	for w := range runtime.NumCPU() {
		wg.Go(func() {
			for b := range batches {
				file := filepath.Join(dir, fmt.Sprintf("%d-%d", w, b[0]))
				if err := employ(t, file, b, lasts, func(s uint64, o Outcome) {
					mu.Lock()
					defer mu.Unlock()
					note(s, o)
				}); err != nil {
					t.Errorf("worker of seeds %v: %v", b, err)
				}
			}
		})
	}
	for len(seeds) > 0 {
		n := min(batch, len(seeds))
		batches <- seeds[:n]
		seeds = seeds[n:]
	}
	close(batches)
	wg.Wait()
}

// result is a line of a worker.
type result struct {
	Seed uint64
	Outcome
}

const resultMark = "OUTCOME "

func employ(t *testing.T, file string, seeds []uint64, lasts time.Duration, note func(uint64, Outcome)) error {
	t.Helper()
	var list strings.Builder
	for _, s := range seeds {
		fmt.Fprintln(&list, s)
	}
	if err := os.WriteFile(file, []byte(list.String()), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestChaosR11$", "-test.timeout=1h")
	cmd.Env = append(os.Environ(), seedsEnv+"="+file, forEnv+"="+lasts.String(), "GOGC=400")
	out, err := cmd.CombinedOutput()
	told := 0
	lines := bufio.NewScanner(bytes.NewReader(out))
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		text, ok := strings.CutPrefix(lines.Text(), resultMark)
		var x result
		if ok && json.Unmarshal([]byte(text), &x) == nil {
			told++
			note(x.Seed, x.Outcome)
		}
	}
	if err != nil || told < len(seeds) {
		return fmt.Errorf("%d of %d seeds told, %w: %s", told, len(seeds), err, out[max(0, len(out)-4000):])
	}
	return nil
}

// work runs the seeds in a file and prints what they showed.
func work(t *testing.T, file string) {
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	lasts, err := time.ParseDuration(os.Getenv(forEnv))
	if err != nil {
		t.Fatal(err)
	}
	town := newTown(t)
	for line := range strings.Lines(string(b)) {
		seed, err := strconv.ParseUint(strings.TrimSpace(line), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		text, err := json.Marshal(result{seed, simulate(t, town, ofSeed(seed, lasts))})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(resultMark + string(text))
	}
}
