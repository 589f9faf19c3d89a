package desk

import (
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/linshao/linshao/protocol/ticket"
)

// rounds walks the log by itself; it must see every reopening that the fold
// sees, on every prefix.
func TestRoundsAgreeWithTheFold(t *testing.T) {
	t.Parallel()
	kinds := []ticket.Kind{
		ticket.Raise, ticket.Occur, ticket.Clear, ticket.Accept, ticket.Arrive, ticket.Resolve, ticket.Close,
		ticket.Reopen, ticket.Transfer, ticket.MarkFalseAlarm, "unknown",
	}
	rapid.Check(t, func(rt *rapid.T) {
		var log []ticket.Transition
		want, began, before := 0, int64(0), ticket.State("")
		for i := range rapid.IntRange(1, 20).Draw(rt, "n") {
			k := rapid.SampledFrom(kinds).Draw(rt, "kind")
			if i == 0 {
				k = ticket.Raise
			}
			x := ticket.Transition{ID: strconv.Itoa(i), Ticket: "t", Kind: k, AtMS: int64(100 + i), Stamp: ticket.Stamp{WallMS: int64(i)}}
			if k == ticket.Raise {
				x.Subject = &ticket.Subject{}
			}
			log = append(log, x)
			tk, ok := ticket.Fold(log)
			if !ok {
				rt.Fatal("no ticket")
			}
			if i == 0 {
				began = x.AtMS
			} else if tk.State.Unresolved() && !before.Unresolved() {
				want, began = want+1, x.AtMS
			}
			before = tk.State
		}
		n, at := rounds(log)
		if n != want || at != began {
			rt.Fatalf("round %d from %d, the fold says %d from %d", n, at, want, began)
		}
	})
}

func TestDerivedIDsAreUUIDsOfTheirParts(t *testing.T) {
	t.Parallel()
	a := derivedID("x", "y")
	if len(a) != 36 || a[14] != '8' || a != derivedID("x", "y") || a == derivedID("xy", "") {
		t.Errorf("got %s", a)
	}
}
