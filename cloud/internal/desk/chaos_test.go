package desk_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/audit"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/protocol/ticket"
)

// Tickets against a naive oracle: every history of up to five further events,
// every order of arrival of six, and whole lives of an edge and its people.
func TestChaosR10Ticket(t *testing.T) {
	t.Parallel()
	r := row.Begin(t, "R10-ticket", "tickets against a naive oracle, on both sides of the wire")
	broken := func(format string, args ...any) { r.Violation(format, args...); t.FailNow() }
	r.Count("sequences", everySequence(r.N(4, 5), broken))
	r.Count("permutations folded", everyOrder(r.N(20, 462), broken))
	r.Count("permutations applied", everyArrival(t, r.N(1, len(arrivals())), broken))
	n := r.N(1000, 33_000)
	for i := range n {
		w := newTown(t, r.Rand(i), func(format string, args ...any) {
			broken("history %d, seed %d: "+format, append([]any{i, r.Seed(i)}, args...)...)
		})
		w.live()
	}
	r.Count("histories", n)
}

var words = []ticket.Kind{
	ticket.Occur, ticket.Clear, ticket.Accept, ticket.Arrive, ticket.Resolve, ticket.Close, ticket.Reopen, ticket.Transfer,
	ticket.MarkFalseAlarm, ticket.Alias, ticket.Escalate,
}

func line(i int, k ticket.Kind) ticket.Transition {
	x := ticket.Transition{
		ID: string(rune('a' + i)), Ticket: "t1", Kind: k, AtMS: int64(10 + i), Stamp: ticket.Stamp{WallMS: int64(i), Origin: "e"},
		By: ticket.Actor{Kind: ticket.ByStaff, ID: "p" + string(rune('a'+i))}, To: "to", AliasID: "t2",
	}
	if k == ticket.Raise {
		x.Subject = &ticket.Subject{Estate: "e", Device: "d", Fault: ticket.DoorForced, Severity: ticket.Major}
	}
	return x
}

// everySequence folds the raise and every sequence of up to n words.
func everySequence(n int, broken func(string, ...any)) (done int) {
	var grow func(log []ticket.Transition)
	grow = func(log []ticket.Transition) {
		got, _ := ticket.Fold(log)
		if want, _ := naive(log, "t1"); toldOf(got) != want {
			broken("%v: %s", kindsOf(log), cmp.Diff(want, toldOf(got)))
		}
		done++
		if len(log) > n {
			return
		}
		for _, k := range words {
			grow(append(slices.Clip(log), line(len(log), k)))
		}
	}
	grow([]ticket.Transition{line(0, ticket.Raise)})
	return done
}

func kindsOf(log []ticket.Transition) (ks []ticket.Kind) {
	for _, x := range log {
		ks = append(ks, x.Kind)
	}
	return ks
}

// everyOrder folds n sets of six events in all 720 orders.
func everyOrder(n int, broken func(string, ...any)) (done int) {
	for _, set := range choose(words, 5)[:n] {
		log := []ticket.Transition{line(0, ticket.Raise)}
		for i, k := range set {
			log = append(log, line(i+1, k))
		}
		want, _ := ticket.Fold(log)
		permute(log, 0, func(order []ticket.Transition) {
			done++
			if got, _ := ticket.Fold(order); toldOf(got) != toldOf(want) || !reflect.DeepEqual(got.Log, want.Log) {
				broken("%v: %s", kindsOf(order), cmp.Diff(want, got))
			}
		})
	}
	return done
}

func choose[T any](from []T, n int) [][]T {
	if n == 0 {
		return [][]T{nil}
	}
	var out [][]T
	for i := range from {
		for _, rest := range choose(from[i+1:], n-1) {
			out = append(out, append([]T{from[i]}, rest...))
		}
	}
	return out
}

func permute[T any](s []T, from int, f func([]T)) {
	if from == len(s) {
		f(s)
		return
	}
	for i := from; i < len(s); i++ {
		s[from], s[i] = s[i], s[from]
		permute(s, from+1, f)
		s[from], s[i] = s[i], s[from]
	}
}

// arrivals are sets of six that tell of one condition under two names: an edge
// lost its memory in between.
func arrivals() [][]ticket.Transition {
	var out [][]ticket.Transition
	for _, ks := range choose([]ticket.Kind{ticket.Occur, ticket.Clear, ticket.Accept, ticket.Arrive, ticket.Comment}, 2) {
		for _, more := range choose([]ticket.Kind{ticket.Occur, ticket.Clear, ticket.Escalate, "unknown"}, 2) {
			set := []ticket.Transition{line(0, ticket.Raise), line(1, ks[0]), line(2, ks[1])}
			for i, k := range append([]ticket.Kind{ticket.Raise}, more...) {
				x := line(3+i, k)
				x.Ticket, x.AliasID = "t2", ""
				set = append(set, x)
			}
			for i := range set {
				set[i].AliasID = ""
			}
			out = append(out, set)
		}
	}
	return out
}

// everyArrival has n of them arrive one by one, in all 720 orders, then all
// once more.
func everyArrival(t *testing.T, n int, broken func(string, ...any)) (done int) {
	for _, set := range arrivals()[:n] {
		var want told
		permute(set, 0, func(order []ticket.Transition) {
			w := newTown(t, nil, broken)
			for _, x := range order {
				w.apply(x)
			}
			before := w.cloud.rows
			w.apply(order...)
			if len(before) != 1 || !reflect.DeepEqual(before, w.cloud.rows) {
				broken("%d tickets of one condition, or it did not stay: %v", len(before), kindsOf(order))
			}
			w.check()
			r, _, _ := w.cloud.TicketRow(t.Context(), "e", "t2")
			got := toldOf(r.Ticket)
			if done++; done%720 == 1 {
				want = got
			}
			if got != want {
				broken("%v: %s", kindsOf(order), cmp.Diff(want, got))
			}
		})
	}
	return done
}

// town is one condition at one edge, the cloud, and people.
type town struct {
	t      *testing.T
	rng    *rand.Rand
	broken func(format string, args ...any)
	cloud  *memory
	desk   *desk.Desk
	edge   struct {
		stamp   ticket.Stamp
		skewMS  int64
		current ticket.ID
		log     []ticket.Transition // what it remembers
	}
	told []ticket.Transition // by the edge, in the order of its log
	sent int
	on   bool
	ids  int
}

func newTown(t *testing.T, rng *rand.Rand, broken func(format string, args ...any)) *town {
	w := &town{t: t, rng: rng, broken: broken, cloud: newMemory(start), desk: desk.New(desk.Options{
		Clocks: desk.DefaultClocks(), Route: func(ticket.Ticket, int64) agenda.Item { return agenda.Item{} },
	})}
	w.edge.stamp.Origin = "e/g"
	return w
}

func (w *town) live() {
	w.edge.skewMS = w.rng.Int64N(10_000) - 5000
	for range 5 + w.rng.IntN(30) {
		w.cloud.nowMS += w.rng.Int64N(3000)
		switch w.rng.IntN(8) {
		case 0, 1, 2:
			w.on = !w.on
			w.sense()
		case 3:
			w.edge.log, w.edge.current = nil, ""
			w.sense()
		case 4:
			w.downlink()
		case 5:
			w.act()
		default:
			w.uplink(w.rng.IntN(len(w.told) - w.sent + 1))
		}
		w.check()
	}
	w.uplink(len(w.told) - w.sent)
	w.downlink()
	w.agree()
}

// sense: the edge's detector says what is, the edge tells what is new.
func (w *town) sense() {
	v, ok := w.seen()
	switch {
	case w.on && (!ok || !v.State.Unresolved() && v.Condition == ticket.Cleared):
		w.ids++
		w.edge.current = ticket.ID(fmt.Sprint("t", w.ids))
		w.tell(ticket.Raise)
	case w.on && ok && v.Condition == ticket.Cleared:
		w.tell(ticket.Occur)
	case !w.on && ok && v.Condition == ticket.Active:
		w.tell(ticket.Clear)
	}
}

func (w *town) tell(k ticket.Kind) {
	at := w.cloud.nowMS + w.edge.skewMS
	w.edge.stamp = w.edge.stamp.Next(at)
	x := line(0, k)
	x.ID, x.Ticket, x.Stamp, x.AtMS, x.AliasID = fmt.Sprint("x", len(w.told)), w.edge.current, w.edge.stamp, at, ""
	x.By = ticket.Actor{Kind: ticket.ByRule}
	w.edge.log = append(w.edge.log, x)
	w.told = append(w.told, x)
}

// seen is the edge's ticket as the edge has it.
func (w *town) seen() (ticket.Ticket, bool) {
	return ticket.Fold(slices.DeleteFunc(slices.Clone(w.edge.log), func(x ticket.Transition) bool { return x.Ticket != w.edge.current }))
}

// uplink brings the next n to the cloud, in their order, and some of those
// before once more.
func (w *town) uplink(n int) {
	from := w.sent
	if w.rng != nil {
		from -= min(w.sent, w.rng.IntN(3))
	}
	w.sent += n
	w.apply(w.told[from:w.sent]...)
}

func (w *town) apply(ts ...ticket.Transition) {
	if _, err := w.desk.Apply(w.t.Context(), w.cloud, desk.Arrival{Estate: "e", Edge: "g", Transitions: ts}); err != nil {
		w.broken("apply: %v", err)
	}
}

func (w *town) downlink() {
	for _, r := range w.cloud.rows {
		for _, x := range desk.Downlinks(r.Aliases, w.cloud.logs[r.ID]) {
			w.edge.stamp = w.edge.stamp.Observe(x.Stamp, w.cloud.nowMS+w.edge.skewMS, 3600_000)
			w.edge.log = append(w.edge.log, x)
		}
	}
}

func (w *town) act() {
	ids := make([]ticket.ID, 0, len(w.cloud.rows))
	for id := range w.cloud.rows {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return
	}
	slices.Sort(ids)
	_, _ = w.desk.Act(w.t.Context(), w.cloud, desk.Act{ // not all is allowed
		ID: fmt.Sprint("act", len(w.cloud.known)), Estate: "e", Ticket: ids[w.rng.IntN(len(ids))], Reason: "why", Note: "what", To: "wang",
		Kind: []ticket.Kind{
			ticket.Accept, ticket.Arrive, ticket.Resolve, ticket.Close, ticket.Reopen, ticket.Transfer, ticket.MarkFalseAlarm, ticket.Comment,
		}[w.rng.IntN(8)], By: ticket.Actor{Kind: ticket.ByStaff, ID: "li"},
	})
}

// check holds the cloud's tickets against the oracle, its logs against the
// audit, and finds at most one unresolved ticket.
func (w *town) check() {
	unresolved := 0
	for id, r := range w.cloud.rows {
		want, ok := naive(w.cloud.logs[id], id)
		if got := toldOf(r.Ticket); !ok || got != want {
			w.broken("%s is kept as %+v, its log says %+v", id, got, want)
		}
		if r.State.Unresolved() {
			unresolved++
		}
	}
	if unresolved > 1 {
		w.broken("%d unresolved tickets of one condition", unresolved)
	}
	for chain, es := range w.cloud.chain {
		if err := audit.Verify(es, es[len(es)-1].Head()); err != nil {
			w.broken("%s: %v", chain, err)
		}
	}
}

// agree: both sides have all there is, so they see the same.
func (w *town) agree() {
	here, ok := w.seen()
	if !ok {
		return
	}
	there, known := w.cloud.rows[w.cloud.name(here.ID)]
	if !known || here.State != there.State || here.Condition != there.Condition || here.Assignee != there.Assignee {
		w.broken("%s is %s, %s, %q at the edge; %s, %s, %q in the cloud",
			here.ID, here.State, here.Condition, here.Assignee, there.State, there.Condition, there.Assignee)
	}
}
