package access_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/access"
)

var (
	roles   = []access.Role{access.Admin, access.Dispatcher, access.Patrol, access.Maintainer, access.Viewer}
	actions = []access.Action{
		access.See, access.SeePersonal, access.Act, access.ActAs, access.Report, access.SignOn,
		access.Plan, access.Command, access.Administer, access.Uplink,
	}
)

// The whole table, so that a change of it is a change of this test.
func TestWhatEachRoleMay(t *testing.T) {
	t.Parallel()
	want := map[access.Role]string{
		access.Admin:      "see see_personal act act_as report sign_on plan command administer ",
		access.Dispatcher: "see see_personal act act_as report sign_on plan ",
		access.Patrol:     "see act report sign_on ",
		access.Maintainer: "see act report sign_on ",
		access.Viewer:     "see ",
	}
	for _, kind := range []access.Kind{access.User, access.Token} {
		got := map[access.Role]string{}
		for _, r := range roles {
			p := access.Principal{Kind: kind, ID: "x", Role: r, Scope: access.Scope{AllEstates: true}}
			for _, a := range actions {
				if access.May(p, a, access.Target{Estate: "sunrise", Device: "d", Edge: "x"}) {
					got[r] += string(a) + " "
				}
			}
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s: %s", kind, d)
		}
	}
}

func TestNobodyReachesIntoAForeignEstate(t *testing.T) {
	t.Parallel()
	mine := access.Scope{Estates: []string{"sunrise"}}
	principals := []access.Principal{
		{Kind: access.EdgeBox, ID: "sunrise/e1", Scope: mine},
		{Kind: access.LinkKind, ID: "d1", Ticket: "t1", Scope: mine},
		{Kind: access.Reporter, Scope: mine},
		{},
		{Kind: "made-up", Role: access.Admin, Scope: access.Scope{AllEstates: true}},
		{Kind: access.User, Role: "made-up", Scope: access.Scope{AllEstates: true}},
	}
	for _, r := range roles {
		principals = append(principals,
			access.Principal{Kind: access.User, Role: r, Scope: mine},
			access.Principal{Kind: access.Token, Role: r, Scope: mine.LimitTo([]string{"kind:elevator"})},
			access.Principal{Kind: access.User, Role: r})
	}
	for _, p := range principals {
		for _, a := range actions {
			for _, target := range []access.Target{
				{Estate: "other"},
				{Estate: "other", Device: "d", DeviceKind: "elevator"},
				{Estate: "other", Ticket: "t1"},
				{Estate: "other", Edge: "e1"},
				{},
			} {
				if access.May(p, a, target) {
					t.Errorf("%+v may %s %+v", p, a, target)
				}
			}
		}
	}
}

func TestAContractorMayNotPlan(t *testing.T) {
	t.Parallel()
	p := access.Principal{
		Kind: access.User, Role: access.Dispatcher,
		Scope: access.Scope{Estates: []string{"sunrise"}}.LimitTo([]string{"lift-1", "kind:"}),
	}
	for _, c := range []struct {
		a    access.Action
		t    access.Target
		want bool
	}{
		{access.Plan, access.Target{Estate: "sunrise"}, false},
		{access.SeePersonal, access.Target{Estate: "sunrise"}, false},
		{access.See, access.Target{Estate: "sunrise"}, true},
		{access.See, access.Target{Estate: "sunrise", Device: "lift-1"}, true},
		{access.Act, access.Target{Estate: "sunrise", Ticket: "t", Device: "gate-1"}, false},
		{access.Act, access.Target{Estate: "sunrise", Ticket: "a person's report, no device"}, false},
		{access.See, access.Target{Estate: "sunrise", Edge: "sunrise-1"}, false},
		{access.SignOn, access.Target{Estate: "sunrise"}, true},
	} {
		if got := access.May(p, c.a, c.t); got != c.want {
			t.Errorf("%s %+v: %v", c.a, c.t, got)
		}
	}
}

func TestAnEdgeSpeaksOnlyForItself(t *testing.T) {
	t.Parallel()
	p := access.Principal{Kind: access.EdgeBox, ID: "sunrise/e1", Scope: access.Scope{Estates: []string{"sunrise"}}}
	if !access.May(p, access.Uplink, access.Target{Estate: "sunrise", Edge: "e1"}) {
		t.Error("refused for itself")
	}
	if access.May(p, access.Uplink, access.Target{Estate: "sunrise", Edge: "e2"}) {
		t.Error("allowed for its neighbour")
	}
	if access.May(p, access.See, access.Target{Estate: "sunrise"}) {
		t.Error("an edge reads the API")
	}
}

func TestRolesAreChecked(t *testing.T) {
	t.Parallel()
	for _, r := range roles {
		if !r.Valid() {
			t.Errorf("%s is not valid", r)
		}
	}
	if access.Role("root").Valid() || access.Role("").Valid() {
		t.Error("a made-up role is valid")
	}
}

func TestSecretsDiffer(t *testing.T) {
	t.Parallel()
	a, b := access.NewSecret("lst_"), access.NewSecret("lst_")
	if a == b || len(a) != len("lst_")+43 {
		t.Errorf("%s, %s", a, b)
	}
	if !access.SameHash(access.HashSecret(a), access.HashSecret(a)) || access.SameHash(access.HashSecret(a), access.HashSecret(b)) {
		t.Error("hashes compare wrongly")
	}
}
