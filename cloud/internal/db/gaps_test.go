package db_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/db"
	"github.com/linshao/linshao/cloud/internal/db/dbtest"
	"github.com/linshao/linshao/protocol/envelope"
)

func TestGapsAreListedAndSummedUpWithinAScope(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		save := func(estate, edge string, from, to int64, ranges ...envelope.Range) {
			d.Pass(1000)
			inTx(t, s, func(tx *db.Tx) error {
				var gaps []envelope.Gap
				for _, r := range ranges {
					gaps = append(gaps, envelope.Gap{Range: r, Reason: "dropped_full", FromMS: from, ToMS: to})
				}
				return tx.SaveGaps(t.Context(), db.LogID{Estate: estate, Edge: edge, Epoch: "e", Log: envelope.Samples}, gaps)
			})
		}
		save("sunrise", "s1", 1000, 2000, envelope.Range{First: 1, Last: 10}, envelope.Range{First: 20, Last: 20})
		save("sunrise", "s2", 0, 0, envelope.Range{First: 5, Last: 6})
		save("heping", "h1", 5000, 6000, envelope.Range{First: 1, Last: 3})
		page := db.Page{Scope: access.Scope{Estates: []string{"sunrise"}}, Limit: 1}
		list := func(q db.GapQuery) (out []string) {
			for {
				gaps, next, err := s.Read().ListGaps(t.Context(), q)
				if err != nil {
					t.Fatal(err)
				}
				for _, g := range gaps {
					out = append(out, g.Edge+" "+string(rune('0'+g.First%10)))
				}
				if q.Cursor = next; next == "" {
					return out
				}
			}
		}
		for name, c := range map[string]struct {
			q    db.GapQuery
			want []string
		}{
			"all of the scope, page by page":     {db.GapQuery{Page: page}, []string{"s2 5", "s1 0", "s1 1"}},
			"one edge":                           {db.GapQuery{Page: page, Edge: "s1"}, []string{"s1 0", "s1 1"}},
			"a time":                             {db.GapQuery{Page: page, FromMS: 1500, ToMS: 1600}, []string{"s1 0", "s1 1"}},
			"before":                             {db.GapQuery{Page: page, ToMS: 1000}, nil},
			"of unknown time: when it was heard": {db.GapQuery{Page: page, FromMS: dbtest.StartMS}, []string{"s2 5"}},
			"another estate":                     {db.GapQuery{Page: db.Page{Scope: page.Scope, Estate: "heping"}}, nil},
			"a contractor":                       {db.GapQuery{Page: db.Page{Scope: access.Scope{Estates: []string{"sunrise"}, Limited: true}}}, nil},
		} {
			if d := cmp.Diff(c.want, list(c.q)); d != "" {
				t.Errorf("%s: %s", name, d)
			}
		}
		sums, err := s.Read().GapSums(t.Context(), page)
		want := map[string]int64{"s1": 11, "s2": 2}
		if err != nil || len(sums) != 2 || sums[0].Records != want[sums[0].Edge] || sums[1].Records != want[sums[1].Edge] || sums[0].LastMS < dbtest.StartMS {
			t.Errorf("%+v, %v", sums, err)
		}
		changes, _, err := s.Read().Changes(t.Context(), 0, 10)
		if err != nil || len(changes) != 3 || changes[0].Kind != db.EdgeChange || changes[0].Ref != "s1" {
			t.Errorf("%+v, %v", changes, err)
		}
	})
}

// An edge that makes up gaps pushes out its own, and time all of them.
func TestGapsAreBoundedAndPruned(t *testing.T) {
	t.Parallel()
	dbtest.Stores(t, func(t *testing.T, d *dbtest.Database, s *db.Store) {
		save := func(edge string, from, n int) {
			t.Helper()
			d.Pass(1000)
			var gaps []envelope.Gap
			for i := range n {
				seq := envelope.Sequence(2*(from+i) + 1)
				gaps = append(gaps, envelope.Gap{Range: envelope.Range{First: seq, Last: seq}, Reason: "dropped_full"})
			}
			inTx(t, s, func(tx *db.Tx) error {
				return tx.SaveGaps(t.Context(), db.LogID{Estate: "sunrise", Edge: edge, Epoch: "e", Log: envelope.Samples}, gaps)
			})
		}
		kept := func(edge string, want int, first envelope.Sequence) {
			t.Helper()
			gaps, err := s.Read().Gaps(t.Context(), "sunrise", edge, db.MaxGaps+10)
			if err != nil || len(gaps) != want || want > 0 && gaps[want-1].First != first {
				t.Errorf("%s: %d gaps, want %d: %v", edge, len(gaps), want, err)
			}
		}
		save("honest", 0, 2)
		save("hostile", 0, db.MaxGaps)
		kept("hostile", db.MaxGaps, 1)
		save("hostile", db.MaxGaps, 3)
		kept("hostile", db.MaxGaps, 7)
		kept("honest", 2, 1)
		d.Pass(400 * 24 * 3600_000)
		save("honest", 5, 1)
		if err := s.Prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		kept("hostile", 0, 0)
		kept("honest", 1, 11)
	})
}
