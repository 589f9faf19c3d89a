package db_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/cloud/internal/dispatch"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
)

var _ dispatch.Tx = (*db.Tx)(nil)

func TestAPlanIsReadBackAsItWasSaved(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		addEstate(t, s, "sunrise", "moonlight")
		li := duty.Staff{
			ID: "li-wei", Name: "李伟", Estate: "sunrise", Phone: "13800000001", PartyMember: true, Skills: []string{"lift-rescue"},
			Channels: []duty.Channel{{Kind: "webhook", URL: "http://127.0.0.1:9099/li-wei", Secret: "s3cret"}},
		}
		wang := duty.Staff{ID: "wang-fang", Name: "王芳", Estate: "sunrise"}
		roster := duty.Roster{ID: "day", Estate: "sunrise", SignOn: true, Shifts: []duty.Shift{{From: "08:00", To: "20:00", Days: []string{"mon"}, Staff: []string{"li-wei"}}}}
		cover := duty.Override{ID: "o1", Estate: "sunrise", Out: "li-wei", In: "wang-fang", FromMS: 5, ToMS: 9}
		policy := routing.Policy{ID: "default", Estate: "sunrise", Steps: []routing.Step{{To: "duty"}, {To: "leader", After: time.Minute}}}
		mute := routing.Mute{ID: "m1", Estate: "sunrise", Device: "gate-1", FromMS: 1, ToMS: 2, Reason: "painting"}
		for range 2 { // an import is idempotent
			inTx(t, s, func(tx *db.Tx) error {
				foreign := li
				foreign.Estate = "moonlight"
				return errors.Join(tx.SaveStaff(ctx, li), tx.SaveStaff(ctx, wang), tx.SaveStaff(ctx, foreign), tx.SaveRoster(ctx, roster),
					tx.SaveOverride(ctx, cover), tx.SavePolicy(ctx, policy), tx.SaveMute(ctx, mute))
			})
		}
		press := func(staff string, at int64, on bool) {
			inTx(t, s, func(tx *db.Tx) error {
				return tx.SignOn(ctx, duty.SignOn{Estate: "sunrise", Staff: staff, AtMS: at, On: on})
			})
		}
		press("li-wei", 10, true)
		press("wang-fang", 12, true)
		press("li-wei", 20, false)
		press("li-wei", 15, true) // heard late
		want := duty.Plan{
			Timezone: "Asia/Shanghai", Staff: []duty.Staff{li, wang}, Rosters: []duty.Roster{roster}, Overrides: []duty.Override{cover},
			SignOns: []duty.SignOn{{Estate: "sunrise", Staff: "li-wei", AtMS: 20}, {Estate: "sunrise", Staff: "wang-fang", AtMS: 12, On: true}},
		}
		got, err := s.Read().DutyPlan(ctx, "sunrise")
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Error(d)
		}
		policies, err := s.Read().Policies(ctx, "sunrise")
		mutes, err2 := s.Read().Mutes(ctx, "sunrise")
		if d := cmp.Diff([]routing.Policy{policy}, policies); d != "" || err != nil || err2 != nil || len(mutes) != 1 || mutes[0] != mute {
			t.Error(d, err, err2, mutes)
		}
	})
}

func TestPlansAreListedAndDeletedPerEstate(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		save := func(estate string) {
			inTx(t, s, func(tx *db.Tx) error {
				return errors.Join(
					tx.SaveStaff(ctx, duty.Staff{ID: "x", Estate: estate}), tx.SaveRoster(ctx, duty.Roster{ID: "x", Estate: estate}),
					tx.SaveOverride(ctx, duty.Override{ID: "x", Estate: estate}), tx.SavePolicy(ctx, routing.Policy{ID: "x", Estate: estate}),
					tx.SaveMute(ctx, routing.Mute{ID: "x", Estate: estate}))
			})
		}
		save("sunrise")
		save("moonlight")
		count := func(scope access.Scope) (ns []int) {
			v, p := s.Read(), db.Page{Scope: scope}
			staff, _, e1 := v.Staff(ctx, p)
			rosters, _, e2 := v.Rosters(ctx, p)
			overrides, _, e3 := v.Overrides(ctx, p)
			policies, _, e4 := v.ListPolicies(ctx, p)
			mutes, _, e5 := v.ListMutes(ctx, p)
			if err := errors.Join(e1, e2, e3, e4, e5); err != nil {
				t.Fatal(err)
			}
			return []int{len(staff), len(rosters), len(overrides), len(policies), len(mutes)}
		}
		if d := cmp.Diff([]int{2, 2, 2, 2, 2}, count(everything)); d != "" {
			t.Error(d)
		}
		if d := cmp.Diff([]int{1, 1, 1, 1, 1}, count(access.Scope{Estates: []string{"moonlight"}})); d != "" {
			t.Error(d)
		}
		for i, want := range []bool{true, false} {
			inTx(t, s, func(tx *db.Tx) error {
				for name, del := range map[string]func() (bool, error){
					"staff":    func() (bool, error) { return tx.DeleteStaff(ctx, "sunrise", "x") },
					"roster":   func() (bool, error) { return tx.DeleteRoster(ctx, "sunrise", "x") },
					"override": func() (bool, error) { return tx.DeleteOverride(ctx, "sunrise", "x") },
					"policy":   func() (bool, error) { return tx.DeletePolicy(ctx, "sunrise", "x") },
					"mute":     func() (bool, error) { return tx.DeleteMute(ctx, "sunrise", "x") },
				} {
					if was, err := del(); err != nil || was != want {
						t.Errorf("%s, try %d: %v, %v", name, i, was, err)
					}
				}
				return nil
			})
		}
		if d := cmp.Diff([]int{1, 1, 1, 1, 1}, count(everything)); d != "" {
			t.Error(d)
		}
	})
}
