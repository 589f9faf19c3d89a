package planfile_test

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/cloud/internal/planfile"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/kit/config"
	"github.com/linshao/linshao/protocol/ticket"
)

// contract is the file of the contract, as it stands there.
const contract = `estates: [{id: sunrise-garden, name: 阳光花园, timezone: Asia/Shanghai, edges: [{id: sunrise-1}]}]
staff:
  - {id: li-wei, name: 李伟, estate: sunrise-garden, phone: "13800000001", party_member: true, vanguard: true, skills: [lift-rescue],
     channels: [{kind: webhook, url: "http://127.0.0.1:9099/li-wei", secret: s3cret}]}
rosters:                                           # sign_on: true = only who pressed 上岗 counts as on duty (default false)
  - {id: day-and-night, estate: sunrise-garden, shifts: [{from: "00:00", to: "24:00", days: [mon, tue, wed, thu, fri, sat, sun], staff: [li-wei], leader: li-wei}]}
policies:
  - {id: default, estate: sunrise-garden, match: {severity: [critical, major]}, steps: [{to: duty, after: 0s}, {to: leader, after: 60s}, {to: "staff:li-wei", after: 5m}]}
`

func TestTheFileOfTheContract(t *testing.T) {
	t.Parallel()
	got, err := planfile.Parse("plan.yaml", []byte(contract), planfile.Known{})
	if err != nil {
		t.Fatal(err)
	}
	want := planfile.Plan{
		Estates: []fleet.Estate{{ID: "sunrise-garden", Name: "阳光花园", Timezone: "Asia/Shanghai"}},
		Edges:   []fleet.Edge{{ID: "sunrise-1", Estate: "sunrise-garden"}},
		Staff: []duty.Staff{{
			ID: "li-wei", Name: "李伟", Estate: "sunrise-garden", Phone: "13800000001", Post: duty.Patrol, PartyMember: true, Vanguard: true,
			Skills:   []string{"lift-rescue"},
			Channels: []duty.Channel{{Kind: "webhook", URL: "http://127.0.0.1:9099/li-wei", Secret: "s3cret"}},
		}},
		Rosters: []duty.Roster{{ID: "day-and-night", Estate: "sunrise-garden", Shifts: []duty.Shift{{
			ID: "s1", From: "00:00", To: "24:00", Days: []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"},
			Staff: []string{"li-wei"}, Leader: "li-wei",
		}}}},
		Policies: []routing.Policy{{
			ID: "default", Estate: "sunrise-garden", Match: routing.Match{Severity: []ticket.Severity{"critical", "major"}},
			Steps: []routing.Step{{To: "duty"}, {To: "leader", After: time.Minute}, {To: "staff:li-wei", After: 5 * time.Minute}},
		}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestEverythingInOneFileAndBack(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	plan, err := planfile.Parse("full.yaml", b, planfile.Known{})
	if err != nil {
		t.Fatal(err)
	}
	for section, n := range map[string]int{
		"estates": len(plan.Estates), "edges": len(plan.Edges), "orgs": len(plan.Orgs), "devices": len(plan.Devices), "staff": len(plan.Staff),
		"rosters": len(plan.Rosters), "overrides": len(plan.Overrides), "policies": len(plan.Policies), "mutes": len(plan.Mutes),
	} {
		if n == 0 {
			t.Errorf("%s were not read", section)
		}
	}
	if o := plan.Overrides[0]; o.ToMS-o.FromMS != 12*3600_000 {
		t.Errorf("override %+v", o)
	}
	written, err := planfile.Write(plan)
	if err != nil {
		t.Fatal(err)
	}
	again, err := planfile.Parse("written.yaml", written, planfile.Known{})
	if err != nil {
		t.Fatalf("%v\n%s", err, written)
	}
	if d := cmp.Diff(plan, again); d != "" {
		t.Error(d)
	}
}

func TestAnEmptyFileIsAnEmptyPlan(t *testing.T) {
	t.Parallel()
	got, err := planfile.Parse("empty.yaml", nil, planfile.Known{})
	if d := cmp.Diff(planfile.Plan{}, got); err != nil || d != "" {
		t.Error(err, d)
	}
}

// What an estate already has may be referred to.
func TestReferencesToWhatIsThereAlready(t *testing.T) {
	t.Parallel()
	file := `
policies: [{id: p, estate: lake, steps: [{to: "staff:wang", after: 0s}]}]
overrides: [{id: o, estate: lake, roster: night, in: wang, from: 2026-11-23T20:00:00+08:00, to: 2026-11-24T08:00:00+08:00}]
devices: [{id: lift-1, estate: lake, edge: lake-1, kind: elevator}]
staff: [{id: zhao, estate: lake, org: fixers}]
`
	has := func(want string) func(estate, id string) bool {
		return func(estate, id string) bool { return estate == "lake" && id == want }
	}
	known := planfile.Known{
		Estate: func(id string) bool { return id == "lake" },
		Edge:   has("lake-1"), Org: has("fixers"), Staff: has("wang"), Roster: has("night"),
	}
	if _, err := planfile.Parse("p.yaml", []byte(file), known); err != nil {
		t.Error(err)
	}
	var problems *config.Error
	if _, err := planfile.Parse("p.yaml", []byte(file), planfile.Known{}); !errors.As(err, &problems) || len(problems.Problems) != 9 {
		t.Errorf("without it: %v", err)
	}
}

func TestEveryMistakeHasAPlaceAndAMend(t *testing.T) {
	t.Parallel()
	file := `estates:
  - {id: Sunrise, timezone: Asia/Shangai, edges: [{id: a}, {id: a}]}
  - {id: lake, colour: blue}
staff:
  - {id: li, estate: lake, post: boss}
  - {id: li, estate: lake}
  - {id: wang, estate: sea}
  - {id: zhao}
rosters:
  - id: r
    estate: lake
    shifts:
      - {from: "08:00", to: "25:00", days: [monday], staff: [ghost]}
policies:
  - {id: p, estate: lake, steps: [{to: duty, after: soon}, {to: everybody, after: 1m}]}
  - {estate: lake, steps: []}
mutes:
  - {id: m, estate: lake, device: lift-1, from: yesterday, to: 2026-11-24T08:00:00+08:00, reason: repair}
  - {id: n, estate: lake, from: 2026-11-24T08:00:00+08:00, to: 2026-11-23T08:00:00+08:00}
`
	_, err := planfile.Parse("plan.yaml", []byte(file), planfile.Known{})
	var problems *config.Error
	if !errors.As(err, &problems) {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, p := range problems.Problems {
		if p.Line == 0 || p.Column == 0 {
			t.Errorf("%s has no place", p)
		}
		got = append(got, strings.TrimPrefix(p.String(), "plan.yaml:"))
	}
	want := []string{
		`2:10: estates[0].id: "Sunrise" can't be an id; use lower-case letters, digits, '.', '_' and '-', at most 64, starting with a letter or digit`,
		`2:29: estates[0].timezone: "Asia/Shangai" is not an IANA timezone; write one such as Asia/Shanghai`,
		`2:65: estates[0].edges[1].id: "a" is given twice; keep one of them, or choose another id`,
		`3:16: estates[1].colour: unknown key; known here: edges, hotline, id, name, timezone`,
		`5:34: staff[0].post: unknown post "boss"; use patrol, desk, manager or maintainer`,
		`6:10: staff[1].id: "li" is given twice; keep one of them, or choose another id`,
		`7:24: staff[2].estate: no estate "sea"; add it under estates, or correct the id`,
		`8:5: staff[3].estate: no estate is given; say which estate this belongs to, as in estate: sunrise-garden`,
		`13:29: rosters[0].shifts[0].to: "25:00" is not a time of day; write "HH:MM" from "00:00" to "24:00", in quotes; a time not after "from" is on the next day`,
		`13:45: rosters[0].shifts[0].days[0]: "monday" is not a day; use mon, tue, wed, thu, fri, sat or sun`,
		`13:62: rosters[0].shifts[0].staff[0]: no staff "ghost" in this estate; add the person under staff, or correct the id`,
		`15:53: policies[0].steps[0].after: want a time span such as 30s, 5m or 35d, got "soon"`,
		`15:65: policies[0].steps[1].to: nobody is called "everybody"; use duty, leader, manager, desk, maintainer or "staff:ID"`,
		`16:5: policies[1].id: no id is given; give a short name that stays, such as default`,
		`16:27: policies[1].steps: no step is given; add one such as {to: duty, after: 0s}; to page nobody for a time, use a mute`,
		`18:49: mutes[0].from: want an instant with its offset such as 2026-11-23T08:00:00+08:00, got "yesterday"`,
		`19:5: mutes[1].device: nothing is named; name a device, a kind or a rule`,
		`19:5: mutes[1].reason: no reason is given; say why, for those who will ask`,
		`19:64: mutes[1].to: it ends before it begins; give a later end: a mute always ends`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}
