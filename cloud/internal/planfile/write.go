package planfile

import (
	"fmt"

	"go.yaml.in/yaml/v4"

	"github.com/linshao/linshao/protocol/kit/config"
)

// Write returns p as a file that Parse reads back to the same Plan. It holds
// the secrets of channels: keep it as safe as a backup.
func Write(p Plan) ([]byte, error) {
	w := document{Orgs: p.Orgs, Staff: p.Staff, Rosters: p.Rosters}
	for _, e := range p.Estates {
		out := estate{ID: e.ID, Name: e.Name, Timezone: e.Timezone, Hotline: e.Hotline}
		for _, g := range p.Edges {
			if g.Estate == e.ID {
				out.Edges = append(out.Edges, edge{ID: g.ID})
			}
		}
		w.Estates = append(w.Estates, out)
	}
	for _, d := range p.Devices {
		w.Devices = append(w.Devices, device{ID: d.ID, Estate: d.Estate, Edge: d.Edge, Kind: d.Kind, Profile: d.Profile, Location: d.Location})
	}
	for _, o := range p.Overrides {
		w.Overrides = append(w.Overrides, override{
			ID: o.ID, Estate: o.Estate, Roster: o.Roster, Out: o.Out, In: o.In,
			From: instant(o.FromMS), To: instant(o.ToMS), Reason: o.Reason,
		})
	}
	for _, x := range p.Policies {
		out := policy{ID: x.ID, Estate: x.Estate, Match: x.Match}
		for _, s := range x.Steps {
			out.Steps = append(out.Steps, step{To: s.To, After: config.Duration(s.After), Track: s.Track})
		}
		w.Policies = append(w.Policies, out)
	}
	for _, m := range p.Mutes {
		w.Mutes = append(w.Mutes, mute{
			ID: m.ID, Estate: m.Estate, Device: m.Device, Kind: m.Kind, Rule: m.Rule,
			From: instant(m.FromMS), To: instant(m.ToMS), Reason: m.Reason,
		})
	}
	b, err := yaml.Marshal(w)
	if err != nil {
		return nil, fmt.Errorf("write plan file: %w", err)
	}
	return b, nil
}
