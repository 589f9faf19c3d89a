// Package row is what every chaos row shares: how much to do, which seeds, and
// the report. A row is a test that tries to break one promise; it lives beside
// the code it attacks, and `make chaos` runs it by name.
//
//	func TestChaosR4(t *testing.T) {
//		r := row.Begin(t, "R4", "corrupted files")
//		for i := range r.N(200, 10_000) {
//			rng := r.Rand(i)
//			…
//			r.Violation("image %d: …", i)
//		}
//		r.Count("images", n)
//	}
//
// Without environment a row is short: a second or two, part of the test suite.
//
//	CHAOS_MODE  short (default) or full
//	CHAOS_SEED  the seed; default: fixed for half of the cases, fresh for the rest
//	CHAOS_N     overrides the number of cases, to find a rare failure again
//	CHAOS_OUT   folder for the report; default: none is written
//	CHAOS_COMMIT what the report calls the code
package row

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"
)

// fixedSeed is what half of the cases start from in every run.
const fixedSeed = 20_251_122

// keptViolations bounds what a report tells in words.
const keptViolations = 20

// Verdicts of a Report.
const (
	Pass   = "pass"
	Fail   = "fail"
	NotRun = "not run"
	// TooLittle: under 90 % of the load that the row asks for. Such a run
	// says nothing.
	TooLittle = "too little load"
)

// Report is what a row leaves behind.
type Report struct {
	Row   string `json:"row"`
	Title string `json:"title"`
	Mode  string `json:"mode"`
	// Cases is set where CHAOS_N asked for another volume than the mode's.
	Cases   int       `json:"cases,omitempty"`
	Verdict string    `json:"verdict"`
	Why     string    `json:"why,omitempty"`
	Seed    uint64    `json:"seed"`
	Commit  string    `json:"commit,omitempty"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	Cores   int       `json:"cores"`
	// Load is per second.
	Load        *Load             `json:"load,omitempty"`
	Counts      map[string]int64  `json:"counts,omitempty"`
	Percentiles map[string]Spread `json:"percentiles,omitempty"`
	// Violations counts them, Told are the first of them.
	Violations int      `json:"violations"`
	Told       []string `json:"told,omitempty"`
}

// Load is what was asked for and what was reached, per second.
type Load struct {
	Asked   float64 `json:"asked"`
	Reached float64 `json:"reached"`
}

// Spread sums up the values observed under one name; the name has the unit.
type Spread struct {
	N   int     `json:"n"`
	P50 float64 `json:"p50"`
	P90 float64 `json:"p90"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// Row is one run of a row. Its methods are safe for concurrent use.
type Row struct {
	t     testing.TB
	fresh uint64
	given bool

	mu       sync.Mutex // guards the following
	report   Report
	observed map[string][]float64
}

// Begin starts a row; its report is written when the test ends.
func Begin(t testing.TB, id, title string) *Row {
	t.Helper()
	r := &Row{t: t, fresh: uint64(time.Now().UnixNano()), observed: map[string][]float64{}} //nolint:gosec // any bits do
	if s, err := strconv.ParseUint(os.Getenv("CHAOS_SEED"), 10, 64); err == nil {
		r.fresh, r.given = s, true
	}
	mode := "short"
	if os.Getenv("CHAOS_MODE") == "full" {
		mode = "full"
	}
	r.report = Report{
		Row: id, Title: title, Mode: mode, Seed: r.fresh, Commit: os.Getenv("CHAOS_COMMIT"), Began: time.Now().UTC(),
		Cores: runtime.NumCPU(), Counts: map[string]int64{}, Percentiles: map[string]Spread{},
	}
	t.Logf("%s (%s): %s, seed %d", id, mode, title, r.fresh)
	t.Cleanup(r.end)
	return r
}

// Full reports whether the volumes of the scorecard are asked for.
func (r *Row) Full() bool { return r.report.Mode == "full" }

// N is how many cases to run.
func (r *Row) N(short, full int) int {
	if n, err := strconv.Atoi(os.Getenv("CHAOS_N")); err == nil {
		r.mu.Lock()
		r.report.Cases = n
		r.mu.Unlock()
		return n
	}
	if r.Full() {
		return full
	}
	return short
}

// Seed is the seed of case i: even cases are the same in every run, odd ones
// new. With CHAOS_SEED all start from that one.
func (r *Row) Seed(i int) uint64 {
	if r.given || i%2 == 1 {
		return r.fresh + uint64(i) //nolint:gosec // a count
	}
	return fixedSeed + uint64(i) //nolint:gosec // a count
}

// Rand is the randomness of case i.
func (r *Row) Rand(i int) *rand.Rand {
	return rand.New(rand.NewPCG(r.Seed(i), uint64(i))) //nolint:gosec // reproducible by intent
}

// Count adds to a figure of the report.
func (r *Row) Count(name string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Counts[name] += int64(n)
}

// Observe adds one value to a spread; name it with its unit, "alarm_ms".
func (r *Row) Observe(name string, v float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.observed[name] = append(r.observed[name], v)
}

// Load notes the load per second. Under 90 % of what is asked for, a run in
// full mode does not count.
func (r *Row) Load(asked, reached float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.report.Load = &Load{Asked: asked, Reached: reached}
}

// Violation fails the test: a promise was broken.
func (r *Row) Violation(format string, args ...any) {
	r.t.Helper()
	what := fmt.Sprintf(format, args...)
	r.mu.Lock()
	r.report.Violations++
	if len(r.report.Told) < keptViolations {
		r.report.Told = append(r.report.Told, what)
	}
	r.mu.Unlock()
	r.t.Errorf("%s: %s", r.report.Row, what)
}

// NotRun ends a row whose tool is missing; that is never a pass.
func (r *Row) NotRun(why string) {
	r.t.Helper()
	r.mu.Lock()
	r.report.Verdict, r.report.Why = NotRun, why
	r.mu.Unlock()
	r.t.Skipf("%s not run: %s", r.report.Row, why)
}

// end judges and writes the report.
func (r *Row) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	p := &r.report
	p.Seconds = time.Since(p.Began).Seconds()
	for name, values := range r.observed {
		p.Percentiles[name] = spread(values)
	}
	switch l := p.Load; {
	case p.Verdict != "":
	case r.t.Failed():
		p.Verdict = Fail
	case l != nil && l.Reached < 0.9*l.Asked:
		p.Verdict = TooLittle
		if p.Mode == "full" {
			r.t.Errorf("%s: %.0f of %.0f a second: the run does not count", p.Row, l.Reached, l.Asked)
		}
	default:
		p.Verdict = Pass
	}
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		r.t.Errorf("write report: %v", err)
		return
	}
	r.t.Logf("%s", b)
	dir := os.Getenv("CHAOS_OUT")
	if dir == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(dir, p.Row+"."+p.Mode+".json"), append(b, '\n'), 0o600); err != nil {
		r.t.Errorf("write report: %v", err)
	}
}

func spread(v []float64) Spread {
	slices.Sort(v)
	at := func(q float64) float64 { return v[min(len(v)-1, int(q*float64(len(v))))] }
	return Spread{N: len(v), P50: at(0.5), P90: at(0.9), P99: at(0.99), Max: v[len(v)-1]}
}
