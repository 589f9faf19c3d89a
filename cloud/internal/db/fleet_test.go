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
	"github.com/linshao/linshao/protocol/telemetry"
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

func TestTheLedgerMergesRanges(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		id := db.LogID{Estate: "sunrise", Edge: "e1", Epoch: "ep\x00", Log: envelope.Samples}
		mark := func(rs ...envelope.Range) {
			inTx(t, s, func(tx *db.Tx) error { return tx.MarkSettled(t.Context(), id, rs) })
		}
		want := func(rs ...envelope.Range) {
			t.Helper()
			got, err := s.Read().Settled(t.Context(), id)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(envelope.RangeSet(rs), got); d != "" {
				t.Error(d)
			}
		}
		want()
		mark(envelope.Range{First: 1, Last: 10})
		mark(envelope.Range{First: 21, Last: 30}, envelope.Range{First: 41, Last: 50}) // live overtakes
		want(envelope.Range{First: 1, Last: 10}, envelope.Range{First: 21, Last: 30}, envelope.Range{First: 41, Last: 50})
		mark(envelope.Range{First: 11, Last: 25}) // overlaps and touches
		mark(envelope.Range{First: 11, Last: 25})
		want(envelope.Range{First: 1, Last: 30}, envelope.Range{First: 41, Last: 50})
		if n, err := s.Count(t.Context(), "ledger"); err != nil || n != 2 {
			t.Errorf("%d rows, %v", n, err)
		}
		err := s.InTx(t.Context(), func(tx *db.Tx) error {
			return tx.MarkSettled(t.Context(), id, []envelope.Range{{First: 51, Last: 1 << 63}})
		})
		if !errors.Is(err, db.ErrSequence) {
			t.Errorf("got %v", err)
		}
		other := id
		other.Estate = "moonlight"
		if got, err := s.Read().Settled(t.Context(), other); err != nil || len(got) != 0 {
			t.Errorf("another estate's ledger: %v, %v", got, err)
		}
	})
}

// Two collectors settle parts of one log at once; neither is forgotten.
func TestCollectorsMarkOneLogTogether(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		id := db.LogID{Estate: "sunrise", Edge: "e1", Epoch: "ep", Log: envelope.Alarm}
		done := make(chan error)
		const each = 25
		for w := range 2 {
			go func() {
				var err error
				for i := range each {
					seq := envelope.Sequence(2*i + w + 1)
					err = errors.Join(err, s.InTx(t.Context(), func(tx *db.Tx) error {
						return tx.MarkSettled(t.Context(), id, []envelope.Range{{First: seq, Last: seq}})
					}))
				}
				done <- err
			}()
		}
		if err := errors.Join(<-done, <-done); err != nil {
			t.Fatal(err)
		}
		got, err := s.Read().Settled(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(envelope.RangeSet{{First: 1, Last: 2 * each}}, got); d != "" {
			t.Error(d)
		}
	})
}

func TestGapsAndEventsAreKeptOnce(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		id := db.LogID{Estate: "sunrise", Edge: "e1", Epoch: "ep", Log: envelope.Samples}
		gap := envelope.Gap{Range: envelope.Range{First: 5, Last: 9}, Reason: "dropped_full", FromMS: 1, ToMS: 2}
		events := []telemetry.Event{
			{Device: "gate-1", Kind: "access-gate", Name: "door_forced_open", AtMS: 100, Data: []byte(`{"door":1}`)},
			{Device: "gate-1", Name: "door_forced_open", AtMS: 101, Marks: telemetry.Historical},
			{Device: "gate-2", Name: "door_forced_open", AtMS: 100},
		}
		for range 2 {
			inTx(t, s, func(tx *db.Tx) error {
				return errors.Join(tx.SaveGaps(ctx, id, []envelope.Gap{gap}), tx.SaveGaps(ctx, id, nil),
					tx.SaveEvents(ctx, "sunrise", "e1", events), tx.SaveEvents(ctx, "sunrise", "e1", nil))
			})
		}
		gaps, err := s.Read().Gaps(ctx, "sunrise", "e1", 10)
		if err != nil || len(gaps) != 1 || gaps[0].Gap != gap || gaps[0].LogID != id || gaps[0].HeardMS != dbtest.StartMS {
			t.Errorf("gaps %+v, %v", gaps, err)
		}
		got, err := s.Read().Events(ctx, "sunrise", "gate-1", 100, 102, 10)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff([]telemetry.Event{events[1], events[0]}, got); d != "" {
			t.Error(d)
		}
		if got, err := s.Read().Events(ctx, "sunrise", "gate-1", 0, 100, 10); err != nil || len(got) != 0 {
			t.Errorf("half-open: %v, %v", got, err)
		}
	})
}

// An id that a reader has seen must have none behind it that appears later.
func TestChangesAppearInOrder(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, _ *dbtest.Database, s *db.Store) {
		const writers, each = 4, 25
		done := make(chan error)
		for range writers {
			go func() {
				var err error
				for range each {
					err = errors.Join(err, s.InTx(t.Context(), func(tx *db.Tx) error {
						tx.Change(db.Change{Estate: "sunrise", Kind: db.TicketChange, Ref: "a"})
						tx.Change(db.Change{Estate: "sunrise", Kind: db.TicketChange, Ref: "b"})
						return nil
					}))
				}
				done <- err
			}()
		}
		seen, last := 0, int64(0)
		for working := writers; seen < 2*writers*each; {
			changed := s.Changed()
			list, oldest, err := s.Read().Changes(t.Context(), last, 7)
			if err != nil {
				t.Fatal(err)
			}
			for _, c := range list {
				if c.ID <= last || c.ID < oldest {
					t.Fatalf("id %d after %d, oldest %d", c.ID, last, oldest)
				}
				last = c.ID
			}
			seen += len(list)
			if len(list) > 0 {
				continue
			}
			if working == 0 {
				t.Fatalf("only %d seen", seen)
			}
			select {
			case <-changed:
			case err := <-done:
				if working--; err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func TestPruningKeepsWhatIsStillGood(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		ctx := t.Context()
		change := func() {
			inTx(t, s, func(tx *db.Tx) error {
				tx.Change(db.Change{Estate: "sunrise", Kind: db.EdgeChange})
				return tx.SaveAnswer(ctx, db.Answer{Principal: "user:li", Key: fmt.Sprint(d.NowMS()), Status: 200, Body: []byte("x")})
			})
		}
		change()
		d.Pass(90 * 60_000)
		change()
		if err := s.Prune(ctx); err != nil {
			t.Fatal(err)
		}
		if list, oldest, _ := s.Read().Changes(ctx, 0, 9); len(list) != 2 || oldest != list[0].ID {
			t.Errorf("%d changes, oldest %d", len(list), oldest)
		}
		d.Pass(25 * 3_600_000)
		if err := s.Prune(ctx); err != nil {
			t.Fatal(err)
		}
		newest, _ := s.Read().NewestChange(ctx)
		if list, oldest, _ := s.Read().Changes(ctx, 0, 9); len(list) != 1 || oldest != newest {
			t.Errorf("%d changes, oldest %d", len(list), oldest)
		}
		if n, _ := s.Count(ctx, "idempotency"); n != 0 {
			t.Errorf("%d answers", n)
		}
		change()
		if after, _ := s.Read().NewestChange(ctx); after <= newest {
			t.Errorf("id %d was issued again", after)
		}
	})
}
