package rig

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
)

// comesBack bounds the wait for a cloud that is being restarted.
const comesBack = 30 * time.Second

// Verdict is what the checker prints.
type Verdict struct {
	Told               int `json:"told"`
	Acked              int `json:"acked"`
	Rows               int `json:"rows"`
	Alarms             int `json:"alarms"`
	Tickets            int `json:"tickets"`
	OtherTickets       int `json:"other_tickets"`
	Deliveries         int `json:"deliveries"`
	Pages              int `json:"pages"`
	Repeats            int `json:"repeats"`
	PossibleDuplicates int `json:"possible_duplicates"`
	// Violations counts all of them; Counts by kind, and the lists hold the
	// first of each kind in words.
	Violations          int            `json:"violations"`
	Counts              map[string]int `json:"counts"`
	Lost                []string       `json:"lost"`
	Invented            []string       `json:"invented"`
	Wrong               []string       `json:"wrong"`
	DuplicateRows       []string       `json:"duplicate_rows"`
	MissingTickets      []string       `json:"missing_tickets"`
	DuplicateTickets    []string       `json:"duplicate_tickets"`
	InventedTickets     []string       `json:"invented_tickets"`
	DuplicateDeliveries []string       `json:"duplicate_deliveries"`
	DuplicatePages      []string       `json:"duplicate_pages"`
	UnknownPages        []string       `json:"unknown_pages"`
	Unpaged             []string       `json:"unpaged"`
	Latency             struct {
		All []float64 `json:"all"`
		N   int       `json:"n"`
		P50 float64   `json:"p50"`
		P99 float64   `json:"p99"`
		Max float64   `json:"max"`
	} `json:"latency_ms"`
}

// drainBound is how long a town may take to bring everything home once the
// faults have stopped.
const drainBound = time.Minute

// Judge waits until everything told is in the cloud and paged for, a minute at
// most, and puts the checker's verdict on the row: counts, latencies of alarms
// as "alarm_ms", and every violation. All daemons must run, all load be over.
func (w *Town) Judge(r *row.Row) Verdict {
	w.t.Helper()
	v, err := w.Verdict(w.t.Context(), drainBound)
	w.must(err)
	w.Report(r, v)
	return v
}

// Report puts a verdict on the row.
func (w *Town) Report(r *row.Row, v Verdict) {
	w.t.Helper()
	for _, c := range []struct {
		name string
		n    int
	}{
		{"acked", v.Acked},
		{"rows", v.Rows},
		{"alarms", v.Alarms},
		{"tickets", v.Tickets},
		{"pages", v.Pages},
		{"page_repeats", v.Repeats},
		{"possible_duplicates", v.PossibleDuplicates},
	} {
		r.Count(c.name, c.n)
	}
	for _, ms := range v.Latency.All {
		r.Observe("alarm_ms", ms)
	}
	w.Violated(r, "", v)
}

// Violated puts a verdict's violations on the row, each after a prefix, and
// keeps the evidence if there are any.
func (w *Town) Violated(r *row.Row, prefix string, v Verdict) {
	w.t.Helper()
	if v.Violations > 0 {
		w.keep()
	}
	for _, what := range v.Words() {
		r.Violation("%s%s", prefix, what)
	}
}

// Words are the violations, the first of each kind.
func (v *Verdict) Words() []string {
	var out []string
	for _, k := range []struct {
		kind string
		list []string
	}{
		{"lost", v.Lost},
		{"invented", v.Invented},
		{"wrong value", v.Wrong},
		{"duplicate row", v.DuplicateRows},
		{"missing ticket", v.MissingTickets},
		{"duplicate ticket", v.DuplicateTickets},
		{"invented ticket", v.InventedTickets},
		{"duplicate delivery", v.DuplicateDeliveries},
		{"duplicate page", v.DuplicatePages},
		{"unknown page", v.UnknownPages},
		{"unpaged", v.Unpaged},
	} {
		for _, what := range k.list {
			out = append(out, k.kind+": "+what)
		}
	}
	return out
}

// Verdict collects what the cloud holds and runs the checker, again and again
// until it finds nothing or bound is over. Its error means that no verdict was
// possible.
func (w *Town) Verdict(ctx context.Context, bound time.Duration) (Verdict, error) {
	if err := w.flush(); err != nil {
		return Verdict{}, err
	}
	end := time.Now().Add(bound)
	for nap := 100 * time.Millisecond; ; nap = min(2*nap, 5*time.Second) {
		err := w.collect(ctx)
		var v Verdict
		if err == nil {
			if err = w.flush(); err == nil {
				v, err = w.check(ctx)
			}
		}
		if err == nil && v.Violations == 0 {
			return v, nil
		}
		// A cloud that has just died answers again soon: having no verdict is
		// not a bad one.
		limit := end
		if err != nil {
			limit = end.Add(comesBack)
		}
		if time.Now().After(limit) {
			return v, err
		}
		if err := wait(ctx, nil, nap); err != nil {
			return v, err
		}
	}
}

func (w *Town) flush() error {
	if err := w.told.flush(); err != nil {
		return err
	}
	return w.paged.flush()
}

// check runs the checker over the journals.
func (w *Town) check(ctx context.Context) (Verdict, error) {
	_, here, _, _ := runtime.Caller(0)
	script := filepath.Join(filepath.Dir(here), "..", "checker", "check.mjs")
	cmd := exec.CommandContext(ctx, "node", script, w.Journals)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	var v Verdict
	if bad := json.Unmarshal(out, &v); bad != nil {
		return v, fmt.Errorf("the checker gave no verdict: %w: %s", err, &errs)
	}
	return v, nil
}

// keep copies the journals, logs and stores of a town that broke a promise to
// where they survive the test, if the run has such a place.
func (w *Town) keep() {
	out := os.Getenv("CHAOS_OUT")
	if out == "" {
		return
	}
	dir := filepath.Join(out, "failed", strings.ReplaceAll(w.t.Name(), "/", "-")+time.Now().UTC().Format("-20060102-150405.000"))
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		w.t.Log(err)
		return
	}
	// The daemons go on, so that a file may vanish while it is copied.
	err := exec.CommandContext(w.t.Context(), "cp", "-a", "--sparse=always", w.Dir, dir).Run()
	w.t.Logf("journals, logs and stores are kept in %s (%v)", dir, err)
}
