package envelope_test

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/linshao/linshao/protocol/envelope"
)

// A RangeSet behaves as a plain set of numbers does.
func TestRangeSetIsASet(t *testing.T) {
	t.Parallel()
	draw := rapid.Custom(func(rt *rapid.T) envelope.Range {
		first := rapid.Uint64Range(1, 40).Draw(rt, "first")
		return envelope.Range{First: envelope.Sequence(first), Last: envelope.Sequence(first + rapid.Uint64Range(0, 8).Draw(rt, "more"))}
	})
	rapid.Check(t, func(rt *rapid.T) {
		var s envelope.RangeSet
		plain := map[envelope.Sequence]bool{}
		for _, r := range rapid.SliceOf(draw).Draw(rt, "ranges") {
			s = s.Add(r)
			for i := r.First; i <= r.Last; i++ {
				plain[i] = true
			}
		}
		for i := 1; i < len(s); i++ {
			if s[i].First <= s[i-1].Last+1 {
				rt.Fatalf("ranges touch: %v", s)
			}
		}
		ask := draw.Draw(rt, "ask")
		all, gone := true, map[envelope.Sequence]bool{}
		for i := ask.First; i <= ask.Last; i++ {
			all = all && plain[i]
			if !plain[i] {
				gone[i] = true
			}
		}
		if s.Contains(ask) != all {
			rt.Fatalf("%v contains %v: %v", s, ask, s.Contains(ask))
		}
		missing := map[envelope.Sequence]bool{}
		for _, r := range s.Missing(ask) {
			for i := r.First; i <= r.Last; i++ {
				missing[i] = true
			}
		}
		if d := gocmp.Diff(gone, missing); d != "" {
			rt.Fatal(d)
		}
	})
}

func TestRangeSetAtTheEndOfNumbers(t *testing.T) {
	t.Parallel()
	end := ^envelope.Sequence(0)
	s := envelope.RangeSet{}.Add(envelope.Range{First: 1, Last: 1}).Add(envelope.Range{First: 3, Last: end}).Add(envelope.Range{First: 2, Last: 2})
	if d := gocmp.Diff(envelope.RangeSet{{First: 1, Last: end}}, s); d != "" {
		t.Error(d)
	}
}
