package triage_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/edge/internal/triage"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

const epoch = 1_732_269_600_000

// desk plays the edge around a Triage: a clock, a journal on disk, and ids
// that read t1, t2, …
type desk struct {
	t       testing.TB
	triage  *triage.Triage
	nowMS   int64
	boot    int64
	ids     int
	journal []ticket.Transition
}

func open(t testing.TB) *desk {
	d := &desk{t: t}
	d.triage = d.fresh()
	return d
}

func (d *desk) fresh() *triage.Triage {
	return triage.New(triage.Config{Estate: "garden", Edge: "g1", Quiet: 30 * time.Second, Mint: func(time.Time) ticket.ID {
		d.ids++
		return ticket.ID(fmt.Sprintf("t%06d", d.ids))
	}})
}

func (d *desk) now() telemetry.Origin {
	return telemetry.Origin{Boot: fmt.Sprint(d.boot), EdgeMS: epoch + d.nowMS, MonoMS: d.nowMS - d.boot, ClockTrusted: true}
}

func (d *desk) keep(ts []ticket.Transition) []ticket.Transition {
	d.journal = append(d.journal, ts...)
	return ts
}

func (d *desk) at(seconds float64) *desk {
	d.nowMS = int64(seconds * 1000)
	d.keep(d.triage.Tick(nil, d.now()))
	return d
}

func (d *desk) subject(fault ticket.Fault) ticket.Subject {
	sev := ticket.Major
	if fault.LifeSafety() {
		sev = ticket.Critical
	}
	return ticket.Subject{
		Estate: "garden", Edge: "g1", Device: "lift-1", Rule: string(fault), Metric: "m", Fault: fault, Severity: sev,
		Title: ticket.Title{Code: string(fault), Params: map[string]string{"value": "9"}},
	}
}

func (d *desk) judge(f triage.Finding) *desk {
	d.keep(d.triage.Judge(nil, f, d.now()))
	return d
}

func (d *desk) begins(fault ticket.Fault) *desk {
	return d.judge(triage.Finding{Subject: d.subject(fault), Active: true, AtMS: epoch + d.nowMS})
}

func (d *desk) ends(fault ticket.Fault) *desk {
	return d.judge(triage.Finding{Subject: d.subject(fault), AtMS: epoch + d.nowMS})
}

func (d *desk) happens(fault ticket.Fault, atMS int64) *desk {
	return d.judge(triage.Finding{Subject: d.subject(fault), Active: true, Event: true, AtMS: epoch + atMS})
}

// cloud brings a change made by people.
func (d *desk) cloud(k ticket.Kind, id ticket.ID) *desk {
	d.ids++
	x := ticket.Transition{
		ID: fmt.Sprintf("c%06d", d.ids), Ticket: id, Kind: k, AtMS: epoch + d.nowMS,
		Stamp: ticket.Stamp{WallMS: epoch + d.nowMS + 1, Origin: "cloud", Number: uint64(d.ids)},
		By:    ticket.Actor{Kind: ticket.ByStaff, ID: "li-wei"},
	}
	if d.triage.Apply(x, d.now()) {
		d.journal = append(d.journal, x)
	}
	return d
}

// crash loses all memory; the journal is replayed.
func (d *desk) crash() *desk {
	d.boot = d.nowMS
	d.triage = d.fresh()
	for _, x := range d.journal {
		d.triage.Apply(x, d.now())
	}
	return d
}

// only returns the one open ticket.
func (d *desk) only() ticket.Ticket {
	d.t.Helper()
	ts := d.triage.Open()
	if len(ts) != 1 {
		d.t.Fatalf("%d open tickets", len(ts))
	}
	return ts[0]
}

// want compares the journal, told as "raise", "occur", "clear@5s", ….
func (d *desk) want(line string) *desk {
	d.t.Helper()
	var got []string
	for _, x := range d.journal {
		word := string(x.Kind)
		if at := x.AtMS - epoch; at != 0 {
			word += "@" + (time.Duration(at) * time.Millisecond).String()
		}
		if x.Reason != "" {
			word += "(" + x.Reason + ")"
		}
		got = append(got, word)
	}
	if diff := cmp.Diff(line, strings.Join(got, " ")); diff != "" {
		d.t.Error(diff)
	}
	return d
}
