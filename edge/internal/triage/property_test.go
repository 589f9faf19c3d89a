package triage_test

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/linshao/linshao/edge/internal/triage"
	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/protocol/ticket"
)

// world is what a long time does to an edge, seen from outside: detectors
// that are level-triggered and seeded after a restart, a journal, a cloud
// that folds all it was told.
type world struct {
	*desk
	rng *rand.Rand
	// broken is told of a counterexample and does not return.
	broken  func(format string, args ...any)
	on      map[ticket.Fault]bool
	shot    []byte
	shotLen int
	told    []triage.Finding
	// trapped says what must have been told of the entrapment.
	trapped oracle
}

// oracle counts by the words of the rules alone: life safety is told at once,
// every time; it raises if nobody is on it, else it is an occurrence.
type oracle struct {
	unresolved             bool
	raises, occurs, clears int
}

func (o *oracle) begins() {
	if o.unresolved {
		o.occurs++
		return
	}
	o.raises, o.unresolved = o.raises+1, true
}

func (o *oracle) people(k ticket.Kind) {
	switch k {
	case ticket.Resolve, ticket.MarkFalseAlarm:
		o.unresolved = false
	case ticket.Reopen:
		o.unresolved = true
	}
}

func (o *oracle) wants(journal []ticket.Transition) bool {
	about := map[ticket.ID]bool{}
	got := oracle{unresolved: o.unresolved}
	for _, x := range journal {
		if x.Kind == ticket.Raise && x.Subject.Fault == ticket.Entrapment {
			about[x.Ticket] = true
			got.raises++
		}
		if about[x.Ticket] && x.Kind == ticket.Occur {
			got.occurs++
		}
		if about[x.Ticket] && x.Kind == ticket.Clear {
			got.clears++
		}
	}
	return got == *o
}

var faults = []ticket.Fault{ticket.Overheat, ticket.DoorForced, ticket.Entrapment}

func (w *world) toggle() {
	f := faults[w.rng.IntN(len(faults))]
	w.on[f] = !w.on[f]
	if f == ticket.Entrapment && w.on[f] {
		w.trapped.begins()
	} else if f == ticket.Entrapment {
		w.trapped.clears++
	}
	if w.on[f] {
		w.begins(f)
	} else {
		w.ends(f)
	}
}

func (w *world) happen() {
	f := triage.Finding{Subject: w.subject(ticket.Duress), Active: true, Event: true, AtMS: epoch + w.nowMS}
	w.told = append(w.told, f)
	w.judge(f)
}

// resend tells an event again, as a device does whose PUBACK was lost.
func (w *world) resend() {
	if len(w.told) == 0 {
		return
	}
	before := len(w.journal)
	w.judge(w.told[w.rng.IntN(len(w.told))])
	if len(w.journal) != before {
		w.broken("an event was taken twice")
	}
}

func (w *world) people() {
	views := w.views()
	if len(views) == 0 {
		return
	}
	v := views[w.rng.IntN(len(views))]
	kinds := []ticket.Kind{
		ticket.Accept, ticket.Arrive, ticket.Resolve, ticket.Close, ticket.MarkFalseAlarm, ticket.Comment, ticket.Reopen,
	}
	k, before := kinds[w.rng.IntN(len(kinds))], len(w.journal)
	if ticket.Allowed(v, k) != nil {
		return
	}
	w.cloud(k, v.ID)
	if v.Fault == ticket.Entrapment && len(w.journal) > before {
		w.trapped.people(k)
	}
}

// views are the tickets as the cloud folds them, the newest of each key.
func (w *world) views() []ticket.Ticket {
	logs, order := map[ticket.ID][]ticket.Transition{}, []ticket.ID{}
	for _, x := range w.journal {
		if logs[x.Ticket] == nil {
			order = append(order, x.Ticket)
		}
		logs[x.Ticket] = append(logs[x.Ticket], x)
	}
	newest := map[ticket.Key]int{}
	var out []ticket.Ticket
	unresolved := map[ticket.Key]ticket.ID{}
	for _, id := range order {
		v, ok := ticket.Fold(logs[id])
		if !ok {
			w.broken("%s has no raise", id)
		}
		if v.State.Unresolved() {
			if other, twice := unresolved[v.Key()]; twice {
				w.broken("%s and %s are both unresolved", other, id)
			}
			unresolved[v.Key()] = id
		}
		if i, known := newest[v.Key()]; known {
			out[i] = v
			continue
		}
		newest[v.Key()] = len(out)
		out = append(out, v)
	}
	return out
}

func (w *world) restart() {
	before := w.triage.Open()
	w.boot, w.triage = w.nowMS, w.fresh()
	from := 0
	if w.shot != nil && w.rng.IntN(2) == 0 {
		from = w.shotLen
		if err := w.triage.Restore(w.shot); err != nil {
			w.broken("%v", err)
		}
	}
	for _, x := range w.journal[from:] {
		w.triage.Apply(x, w.now())
	}
	// A group that failed is written again.
	for _, x := range w.journal[max(from, len(w.journal)-w.rng.IntN(7)):] {
		w.triage.Apply(x, w.now())
	}
	if after := w.triage.Open(); !reflect.DeepEqual(before, after) {
		w.broken("after the restart: %s", cmp.Diff(before, after))
	}
	w.forget()
	w.on = map[ticket.Fault]bool{}
	for _, k := range w.triage.Lasting() {
		w.on[ticket.Fault(k.Rule)] = true
	}
}

// forget drops from told what a restart may forget: repetitions that were only
// counted, not told one by one.
func (w *world) forget() {
	w.told = slices.DeleteFunc(w.told, func(f triage.Finding) bool {
		return !slices.ContainsFunc(w.journal, func(x ticket.Transition) bool {
			return x.AtMS == f.AtMS && (x.Kind == ticket.Raise || x.Kind == ticket.Occur)
		})
	})
}

// check compares what is open here with what the cloud makes of it. ticked:
// Triage has just been told the time.
func (w *world) check(ticked bool) {
	open := map[ticket.ID]ticket.Ticket{}
	for _, v := range w.triage.Open() {
		open[v.ID] = v
	}
	for _, v := range w.views() {
		here, ok := open[v.ID]
		if ok != v.State.Unresolved() {
			w.broken("%s is %s for the cloud, open here: %v", v.ID, v.State, ok)
		}
		if ok && !reflect.DeepEqual(v, here) { // cmp.Diff takes long to find nothing
			w.broken("%s", cmp.Diff(v, here))
		}
		f := ticket.Fault(v.Rule)
		if f == ticket.Entrapment && w.on[f] != (v.Condition == ticket.Active) {
			w.broken("an entrapment is %v and shown as %s", w.on[f], v.Condition)
		}
		// Whoever is trapped while nobody is on it has a ticket.
		if ticked && w.on[f] && v.Condition == ticket.Cleared && !v.State.Unresolved() {
			w.broken("%s lasts, its ticket is %s and cleared", f, v.State)
		}
	}
}

// Whatever detectors, people, crashes and resent messages do: one unresolved
// ticket per key, the same on both sides, and nothing lost at a restart.
func TestChaosR10Episode(t *testing.T) {
	t.Parallel()
	r := row.Begin(t, "R10-episode", "episodes against a naive oracle and the cloud's fold")
	n := r.N(500, 33_000)
	for i := range n {
		w := &world{desk: open(t), rng: r.Rand(i), on: map[ticket.Fault]bool{}}
		w.broken = func(format string, args ...any) {
			r.Violation("history %d, seed %d: "+format, append([]any{i, r.Seed(i)}, args...)...)
			t.FailNow()
		}
		w.live()
	}
	r.Count("histories", n)
}

func (w *world) live() {
	for range 1 + w.rng.IntN(24) {
		w.at(float64(w.nowMS)/1000 + float64(1+w.rng.IntN(40)))
		w.check(true)
		switch w.rng.IntN(8) {
		case 0:
			w.happen()
		case 1:
			w.resend()
		case 2, 3:
			w.people()
		case 4:
			w.restart()
		case 5:
			b, err := w.triage.Snapshot()
			if err != nil {
				w.broken("%v", err)
			}
			w.shot, w.shotLen = b, len(w.journal)
		default:
			w.toggle()
		}
		w.check(false)
		if !w.trapped.wants(w.journal) {
			w.broken("of an entrapment was told %+v, not %+v", w.journal, w.trapped)
		}
	}
}

// However fast a condition comes and goes, it is one ticket, told at most
// once per quiet time.
func TestFlappingYieldsOneTicket(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		d := open(t)
		for range rapid.IntRange(1, 80).Draw(rt, "flaps") {
			d.begins(ticket.Overheat)
			d.at(float64(d.nowMS)/1000 + rapid.Float64Range(0.01, 9).Draw(rt, "up"))
			d.ends(ticket.Overheat)
			d.at(float64(d.nowMS)/1000 + rapid.Float64Range(0.01, 9).Draw(rt, "down"))
		}
		if n := len(d.triage.Open()); n != 1 {
			rt.Fatalf("%d tickets", n)
		}
		tellings := 0
		for _, x := range d.journal {
			if x.Kind == ticket.Raise || x.Kind == ticket.Occur {
				tellings++
			}
		}
		if most := 1 + int(d.nowMS/30_000); tellings > most {
			rt.Fatalf("told %d times in %d ms", tellings, d.nowMS)
		}
	})
}
