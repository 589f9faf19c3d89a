package demo

import (
	"errors"
	"fmt"
	"os"

	yaml "go.yaml.in/yaml/v4"

	"github.com/linshao/linshao/simulators/estate"
)

// doc is a YAML mapping; the demo writes only keys that docs/configuration.md names.
type doc = map[string]any

func (s *site) cloudConfig() doc {
	return doc{
		"data_dir": s.path("cloud"),
		"http":     doc{"listen": s.cloudHTTP, "public_url": s.publicURL},
		"mqtt":     doc{"listen": s.cloudMQTT},
		"demo":     true,
	}
}

// edgeConfig is an edge.yaml; uplink is the block that the cloud handed out.
func (s *site) edgeConfig(p *place, uplink doc) doc {
	// The block's address is the cloud's idea of itself; here it is known.
	uplink["url"] = "tcp://" + reachable(s.cloudMQTT)
	var accounts, devices []doc
	for _, d := range s.devicesOf(p) {
		row := doc{"id": d.ID, "profile": profile(d.Kind)}
		if d.Location != "" {
			row["location"] = d.Location
		}
		if d.Kind == estate.Elevator {
			row["modbus"] = doc{"url": "tcp://" + p.modbus, "unit": int(d.Unit)}
		} else {
			accounts = append(accounts, doc{"id": d.ID, "password": s.keys.Devices[d.ID]})
		}
		devices = append(devices, row)
	}
	return doc{
		"estate": p.ID, "edge": p.Edge, "data_dir": s.path(p.Edge),
		"http":    doc{"listen": p.http},
		"mqtt":    doc{"listen": p.mqtt, "devices": accounts},
		"uplink":  uplink,
		"devices": devices,
	}
}

// devicesOf is the estate's own devices and, in the first estate, the guest's.
func (s *site) devicesOf(p *place) []estate.Device {
	devices := p.plan.Devices
	if p == s.estates[0] {
		devices = append(devices[:len(devices):len(devices)], gate(guestDevice, "访客体验", ""))
	}
	return devices
}

func profile(k estate.Kind) string {
	switch k {
	case estate.Elevator:
		return "lift-terminal"
	case estate.AccessGate:
		return "access-gate"
	}
	return "patrol-robot"
}

// seeds is the file for linshao-cloud import: estates, people, duty, policies.
func (s *site) seeds() doc {
	var estates, staff, rosters, policies []doc
	for i, p := range s.estates {
		estates = append(estates, doc{
			"id": p.ID, "name": p.Name, "timezone": "Asia/Shanghai", "hotline": "96333", "edges": []doc{{"id": p.Edge}},
		})
		for _, who := range p.staff {
			staff = append(staff, s.staffRow(p, who))
		}
		named := func(id string) string {
			if i == 0 {
				return id
			}
			return p.ID + "-" + id
		}
		rosters = append(rosters, roster(named("day-and-night"), p))
		policies = append(policies, policyRows(named, p)...)
	}
	return doc{"estates": estates, "staff": staff, "rosters": rosters, "policies": policies}
}

func (s *site) staffRow(p *place, who person) doc {
	row := doc{
		"id": who.ID, "name": who.Name, "estate": p.ID, "phone": who.Phone,
		"party_member": who.Member, "vanguard": who.Vanguard,
	}
	if len(who.Skills) > 0 {
		row["skills"] = who.Skills
	}
	if who.Post == "" {
		return row // an observer is not paged
	}
	row["post"] = who.Post
	row["channels"] = []doc{{"kind": "webhook", "url": s.pagerURL + "/" + who.ID, "secret": s.keys.Webhook}}
	return row
}

// roster keeps the vanguard member and a colleague on duty round the clock.
func roster(id string, p *place) doc {
	week := []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}
	onDuty, leader := []string{p.staff[0].ID, p.staff[1].ID}, p.staff[2].ID
	return doc{"id": id, "estate": p.ID, "shifts": []doc{
		{"from": "08:00", "to": "20:00", "days": week, "staff": onDuty, "leader": leader},
		{"from": "20:00", "to": "08:00", "days": week, "staff": onDuty, "leader": leader},
	}}
}

// policyRows are an estate's own ladders. The tracks of an entrapment are the
// product's and run whatever stands here.
func policyRows(named func(string) string, p *place) []doc {
	step := func(to, after string) doc { return doc{"to": to, "after": after} }
	return []doc{
		{
			"id": named("urgent"), "estate": p.ID, "match": doc{"severity": []string{"critical", "major"}},
			"steps": []doc{step("duty", "0s"), step("leader", "60s"), step("manager", "5m"), step("desk", "10m")},
		},
		{
			"id": named("routine"), "estate": p.ID, "match": doc{"severity": []string{"minor", "warning"}},
			"steps": []doc{step("duty", "0s"), step("leader", "30m")},
		},
	}
}

// uplinkBlock reads what edge-credential create printed.
func uplinkBlock(printed string) (doc, error) {
	var out struct{ Uplink doc }
	if err := yaml.Unmarshal([]byte(printed), &out); err != nil {
		return nil, fmt.Errorf("read edge credential: %w", err)
	}
	if len(out.Uplink) == 0 {
		return nil, errors.New("read edge credential: there is no uplink: block")
	}
	return out.Uplink, nil
}

// writeFile writes a YAML file that only its owner reads: it holds secrets.
func (s *site) writeFile(name string, content doc) error {
	text, err := yaml.Marshal(content)
	if err != nil {
		return fmt.Errorf("render %s: %w", name, err)
	}
	if err := os.WriteFile(s.path(name), text, 0o600); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
