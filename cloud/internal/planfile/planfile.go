// Package planfile reads and writes the YAML that `linshao-cloud import`
// takes: estates with their edges, organisations, devices, staff, rosters,
// overrides, policies and mutes.
//
// Parse is strict. Everything wrong in the file is reported at once, each with
// file:line:column and the mend: unknown keys, values of the wrong form,
// references to what neither the file nor the estate holds. It returns all of
// the file or an error, so that nothing is ever half applied. Writing it to the
// store, as upserts by id in one transaction, is the caller's.
package planfile

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/kit/config"
)

// Plan is the content of a file, checked and with all defaults filled in.
type Plan struct {
	Estates   []fleet.Estate
	Edges     []fleet.Edge
	Orgs      []fleet.Org
	Devices   []fleet.Device
	Staff     []duty.Staff
	Rosters   []duty.Roster
	Overrides []duty.Override
	Policies  []routing.Policy
	Mutes     []routing.Mute
}

// Known says what exists beside the file. A nil function knows nothing.
type Known struct {
	Estate func(id string) bool
	// Edge, Org, Staff and Roster are asked within an estate.
	Edge, Org, Staff, Roster func(estate, id string) bool
}

// Parse reads a file's bytes; file names it in messages. The error is a
// *config.Error holding every problem.
func Parse(file string, b []byte, k Known) (Plan, error) {
	var w document
	err := config.Decode(file, b, &w, config.Options{}, func(d *config.Document) {
		w.fill()
		(&check{d: d, w: &w, known: k, seen: map[string]bool{}}).all()
	})
	if err != nil {
		return Plan{}, err
	}
	return w.plan(), nil
}

// document is the file as it is written.
type document struct {
	Estates   []estate      `yaml:"estates,omitempty"`
	Orgs      []fleet.Org   `yaml:"orgs,omitempty"`
	Devices   []device      `yaml:"devices,omitempty"`
	Staff     []duty.Staff  `yaml:"staff,omitempty"`
	Rosters   []duty.Roster `yaml:"rosters,omitempty"`
	Overrides []override    `yaml:"overrides,omitempty"`
	Policies  []policy      `yaml:"policies,omitempty"`
	Mutes     []mute        `yaml:"mutes,omitempty"`
}

type estate struct {
	ID       string `yaml:"id"`
	Name     string `yaml:"name"`
	Timezone string `yaml:"timezone"`
	Hotline  string `yaml:"hotline,omitempty"`
	Edges    []edge `yaml:"edges,omitempty"`
}

type edge struct {
	ID string `yaml:"id"`
}

type device struct {
	ID       string `yaml:"id"`
	Estate   string `yaml:"estate"`
	Edge     string `yaml:"edge,omitempty"`
	Kind     string `yaml:"kind"`
	Profile  string `yaml:"profile,omitempty"`
	Location string `yaml:"location,omitempty"`
}

type override struct {
	ID     string  `yaml:"id"`
	Estate string  `yaml:"estate"`
	Roster string  `yaml:"roster,omitempty"`
	Out    string  `yaml:"out,omitempty"`
	In     string  `yaml:"in,omitempty"`
	From   instant `yaml:"from"`
	To     instant `yaml:"to"`
	Reason string  `yaml:"reason,omitempty"`
}

type policy struct {
	ID     string        `yaml:"id"`
	Estate string        `yaml:"estate"`
	Match  routing.Match `yaml:"match,omitempty"`
	Steps  []step        `yaml:"steps"`
}

type step struct {
	To    string          `yaml:"to"`
	After config.Duration `yaml:"after"`
	Track string          `yaml:"track,omitempty"`
}

type mute struct {
	ID     string  `yaml:"id"`
	Estate string  `yaml:"estate"`
	Device string  `yaml:"device,omitempty"`
	Kind   string  `yaml:"kind,omitempty"`
	Rule   string  `yaml:"rule,omitempty"`
	From   instant `yaml:"from"`
	To     instant `yaml:"to"`
	Reason string  `yaml:"reason"`
}

// instant is Unix ms, written as RFC 3339.
type instant int64

// UnmarshalText implements encoding.TextUnmarshaler.
func (i *instant) UnmarshalText(text []byte) error {
	t, err := time.Parse(time.RFC3339, strings.Replace(string(text), " ", "T", 1))
	if err != nil {
		return fmt.Errorf("want an instant with its offset such as 2026-11-23T08:00:00+08:00, got %q", text)
	}
	*i = instant(t.UnixMilli())
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (i instant) MarshalText() ([]byte, error) {
	return []byte(time.UnixMilli(int64(i)).UTC().Format(time.RFC3339Nano)), nil
}

// fill puts in what was left out.
func (w *document) fill() {
	for i := range w.Estates {
		e := &w.Estates[i]
		e.Name, e.Timezone = cmp.Or(e.Name, e.ID), cmp.Or(e.Timezone, duty.DefaultTimezone)
	}
	for i := range w.Staff {
		s := &w.Staff[i]
		s.Name, s.Post = cmp.Or(s.Name, s.ID), duty.Post(cmp.Or(string(s.Post), string(duty.Patrol)))
	}
	for i := range w.Orgs {
		o := &w.Orgs[i]
		o.Name, o.Kind = cmp.Or(o.Name, o.ID), cmp.Or(o.Kind, "property")
	}
	for i := range w.Rosters {
		for j := range w.Rosters[i].Shifts {
			s := &w.Rosters[i].Shifts[j]
			s.ID = cmp.Or(s.ID, fmt.Sprint("s", j+1))
		}
	}
}

func (w *document) plan() Plan {
	p := Plan{Orgs: w.Orgs, Staff: w.Staff, Rosters: w.Rosters}
	for _, e := range w.Estates {
		p.Estates = append(p.Estates, fleet.Estate{ID: e.ID, Name: e.Name, Timezone: e.Timezone, Hotline: e.Hotline})
		for _, g := range e.Edges {
			p.Edges = append(p.Edges, fleet.Edge{ID: g.ID, Estate: e.ID})
		}
	}
	for _, d := range w.Devices {
		p.Devices = append(p.Devices, fleet.Device{ID: d.ID, Estate: d.Estate, Edge: d.Edge, Kind: d.Kind, Profile: d.Profile, Location: d.Location})
	}
	for _, o := range w.Overrides {
		p.Overrides = append(p.Overrides, o.noun())
	}
	for _, x := range w.Policies {
		p.Policies = append(p.Policies, x.noun())
	}
	for _, m := range w.Mutes {
		p.Mutes = append(p.Mutes, m.noun())
	}
	return p
}

func (o override) noun() duty.Override {
	return duty.Override{
		ID: o.ID, Estate: o.Estate, Roster: o.Roster, Out: o.Out, In: o.In,
		FromMS: int64(o.From), ToMS: int64(o.To), Reason: o.Reason,
	}
}

func (p policy) noun() routing.Policy {
	out := routing.Policy{ID: p.ID, Estate: p.Estate, Match: p.Match}
	for _, s := range p.Steps {
		out.Steps = append(out.Steps, routing.Step{To: s.To, After: time.Duration(s.After), Track: s.Track})
	}
	return out
}

func (m mute) noun() routing.Mute {
	return routing.Mute{
		ID: m.ID, Estate: m.Estate, Device: m.Device, Kind: m.Kind, Rule: m.Rule,
		FromMS: int64(m.From), ToMS: int64(m.To), Reason: m.Reason,
	}
}
