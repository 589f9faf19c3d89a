package db_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/protocol/envelope"
)

var everything = access.Scope{AllEstates: true}

func hello(session, previous string, devices ...string) envelope.Hello {
	h := envelope.Hello{
		Estate: "sunrise", Edge: "e1", Epoch: "ep", Session: session, Previous: previous, Version: "1.0", EdgeMS: dbtest.StartMS + 250,
		Heads: []envelope.LogHead{{Log: envelope.Alarm, Head: 7, Oldest: 3}},
	}
	for _, d := range devices {
		h.Devices = append(h.Devices, envelope.Device{
			ID: d, Kind: "elevator", Profile: "lift-terminal", Location: "3号楼1单元",
			Points: []envelope.Point{{Metric: "motor_temp", Unit: "°C"}, {Metric: "door", Enum: map[string]string{"0": "closed"}}},
		})
	}
	return h
}

func greet(t *testing.T, s *db.Store, h envelope.Hello) (clone bool) {
	t.Helper()
	inTx(t, s, func(tx *db.Tx) (err error) {
		clone, err = tx.SaveHello(t.Context(), h)
		return err
	})
	return clone
}

func deviceIDs(t *testing.T, s *db.Store, scope access.Scope) []string {
	t.Helper()
	list, _, err := s.Read().Devices(t.Context(), db.Page{Scope: scope})
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, d := range list {
		out = append(out, d.Estate+":"+d.ID)
	}
	return out
}

func TestAHelloDescribesTheEdgeAndItsDevices(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		if greet(t, s, hello("s1", "", "lift-1", "lift-2")) {
			t.Fatal("the first is no clone")
		}
		e, ok, err := s.Read().Edge(t.Context(), "sunrise", "e1")
		if err != nil || !ok || !e.Online || e.SkewMS != 250 || e.Heads[0].Head != 7 || e.LastSeenMS != dbtest.StartMS {
			t.Errorf("edge %+v, %v, %v", e, ok, err)
		}
		d, ok, err := s.Read().Device(t.Context(), "sunrise", "lift-1")
		if err != nil || !ok || d.Edge != "e1" || d.Points[1].Enum["0"] != "closed" || d.Location != "3号楼1单元" {
			t.Errorf("device %+v, %v, %v", d, ok, err)
		}
		// One device goes, one comes; the one that stays is not an event.
		_, newest, err := s.Read().Changes(t.Context(), 0, 1)
		if err != nil || newest == 0 {
			t.Fatal(newest, err)
		}
		last, err := s.Read().NewestChange(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if greet(t, s, hello("s2", "s1", "lift-1", "lift-3")) {
			t.Fatal("the line goes on")
		}
		if d := cmp.Diff([]string{"sunrise:lift-1", "sunrise:lift-3"}, deviceIDs(t, s, everything)); d != "" {
			t.Error(d)
		}
		list, _, err := s.Read().Changes(t.Context(), last, 10)
		if err != nil {
			t.Fatal(err)
		}
		var refs []string
		for _, c := range list {
			refs = append(refs, c.Kind+" "+c.Ref)
		}
		if d := cmp.Diff([]string{"edge e1", "device lift-3", "device lift-2"}, refs); d != "" {
			t.Error(d)
		}
	})
}

func TestAClonedDiskIsRefusedLoudly(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		for _, h := range []envelope.Hello{hello("s1", "", "lift-1"), hello("s2", "s1", "lift-1"), hello("s3", "s2", "lift-1"), hello("s3", "s2", "lift-1")} {
			if greet(t, s, h) {
				t.Fatalf("session %s is no clone", h.Session)
			}
		}
		before, _, _ := s.Read().Edge(t.Context(), "sunrise", "e1")
		if !greet(t, s, hello("x", "s1")) {
			t.Error("a copy of an older disk was not noticed")
		}
		after, _, _ := s.Read().Edge(t.Context(), "sunrise", "e1")
		if d := cmp.Diff(before, after); d != "" {
			t.Errorf("the clone changed the edge: %s", d)
		}
		if d := cmp.Diff([]string{"sunrise:lift-1"}, deviceIDs(t, s, everything)); d != "" {
			t.Error(d)
		}
	})
}

func TestTouchingAnEdgeTellsOnlyOfChanges(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		inTx(t, s, func(tx *db.Tx) error {
			return errors.Join(tx.AddEdge(t.Context(), "sunrise", "e1"), tx.AddEdge(t.Context(), "sunrise", "e1"))
		})
		touch := func(at int64, online bool) (told bool) {
			before, _ := s.Read().NewestChange(t.Context())
			inTx(t, s, func(tx *db.Tx) error { return tx.TouchEdge(t.Context(), "sunrise", "e1", at, online) })
			after, _ := s.Read().NewestChange(t.Context())
			return after != before
		}
		for i, c := range []struct {
			at           int64
			online, told bool
			seen         int64
		}{{100, true, true, 100}, {200, true, false, 200}, {150, true, false, 200}, {300, false, true, 200}} {
			if touch(c.at, c.online) != c.told {
				t.Errorf("step %d: told %v", i, !c.told)
			}
			if e, _, _ := s.Read().Edge(t.Context(), "sunrise", "e1"); e.LastSeenMS != c.seen || e.Online != c.online {
				t.Errorf("step %d: %+v", i, e)
			}
		}
		inTx(t, s, func(tx *db.Tx) error { return tx.TouchEdge(t.Context(), "sunrise", "unknown", 1, true) })
	})
}

func TestListsAreScopedAndPaged(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		addEstate(t, s, "moonlight", "sunrise")
		inTx(t, s, func(tx *db.Tx) error {
			for _, estate := range []string{"sunrise", "moonlight"} {
				for i := range 7 {
					kind := []string{"elevator", "access-gate"}[i%2]
					if err := tx.SaveDevice(ctx, fleet.Device{Estate: estate, ID: fmt.Sprint("d", i), Kind: kind}); err != nil {
						return err
					}
				}
				if err := tx.AddEdge(ctx, estate, "e1"); err != nil {
					return err
				}
			}
			return tx.SaveOrg(ctx, fleet.Org{Estate: "sunrise", ID: "liftco", Name: "电梯公司", Kind: "contractor", Devices: []string{"kind:elevator"}})
		})
		mine := access.Scope{Estates: []string{"sunrise"}}
		if got := deviceIDs(t, s, everything); len(got) != 14 {
			t.Errorf("all: %v", got)
		}
		if got := deviceIDs(t, s, mine); len(got) != 7 {
			t.Errorf("mine: %v", got)
		}
		if got := deviceIDs(t, s, access.Scope{}); len(got) != 0 {
			t.Errorf("nothing: %v", got)
		}
		want := []string{"sunrise:d0", "sunrise:d1", "sunrise:d2", "sunrise:d4", "sunrise:d6"}
		if d := cmp.Diff(want, deviceIDs(t, s, mine.LimitTo([]string{"kind:elevator", "d1"}))); d != "" {
			t.Error(d)
		}
		if edges, _, err := s.Read().Edges(ctx, db.Page{Scope: mine.LimitTo([]string{"kind:elevator"})}); err != nil || len(edges) != 0 {
			t.Errorf("a contractor sees edges %v, %v", edges, err)
		}
		if edges, _, err := s.Read().Edges(ctx, db.Page{Scope: mine}); err != nil || len(edges) != 1 {
			t.Errorf("edges %v, %v", edges, err)
		}
		if orgs, _, err := s.Read().Orgs(ctx, db.Page{Scope: mine}); err != nil || len(orgs) != 1 || orgs[0].Devices[0] != "kind:elevator" {
			t.Errorf("orgs %v, %v", orgs, err)
		}
		if named, err := s.Read().DevicesNamed(ctx, everything, "d3"); err != nil || len(named) != 2 {
			t.Errorf("named %v, %v", named, err)
		}
		if named, err := s.Read().DevicesNamed(ctx, mine, "d3"); err != nil || len(named) != 1 {
			t.Errorf("named %v, %v", named, err)
		}
		var got []string
		page := db.Page{Scope: everything, Limit: 5}
		for pages := 0; ; pages++ {
			list, next, err := s.Read().Devices(ctx, page)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range list {
				got = append(got, d.Estate+":"+d.ID)
			}
			if page.Cursor = next; next == "" {
				if pages != 2 {
					t.Errorf("%d pages", pages)
				}
				break
			}
		}
		if d := cmp.Diff(deviceIDs(t, s, everything), got); d != "" {
			t.Error(d)
		}
		one := db.Page{Scope: everything, Limit: 1}
		first, next, err := s.Read().Estates(ctx, one)
		one.Cursor = next
		second, end, err2 := s.Read().Estates(ctx, one)
		if err != nil || err2 != nil || first[0].ID != "moonlight" || second[0].ID != "sunrise" || end != "" {
			t.Errorf("estates %v, %v, %v, %v", first, second, err, err2)
		}
		for _, bad := range []string{"!", "eyJhIjoxfQ", "bnVsbA=="} {
			if _, _, err := s.Read().Devices(ctx, db.Page{Scope: everything, Cursor: bad}); !errors.Is(err, db.ErrBadCursor) {
				t.Errorf("cursor %q: %v", bad, err)
			}
		}
	})
}
