package simulation

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/linshao/linshao/protocol/kit/memnet"
)

// noticeWithin is how long an edge may be silent before the desk knows (I14).
const noticeWithin = 60 * time.Second

// Silences lets a day pass on a lossy line, silences an edge now and then, and
// judges whether each silence became a ticket in time and nothing else did. It
// returns how long each took. Call it in a bubble, as Run.
func Silences(ctx context.Context, town *Town, o Options, silences int) (out Outcome, noticed []time.Duration, err error) {
	o.Calm, o.Edges = true, mostEdges
	w, err := open(ctx, town, o)
	if err != nil {
		return Outcome{}, nil, err
	}
	defer w.close()
	w.work()
	r := w.dice("silences")
	between := o.For / time.Duration(silences+1)
	for n := range silences {
		w.bus.Run(time.Duration(n+1)*between - time.Duration(r.Int64N(int64(between/4))))
		if dark := w.dark(); len(dark) > 0 {
			w.violated("%v are dark at %v, though nobody is silent", dark, w.bus.Now())
		}
		noticed = append(noticed, w.silence(w.anEdge(r), r))
	}
	w.bus.Run(max(o.For, w.bus.Now()))
	w.healthy = true
	w.bus.Run(w.bus.Now() + healWithin)
	w.weigh()
	w.judgeDark(silences)
	return w.outcome(), noticed, nil
}

// silence takes an edge away until the desk knows, and returns how long that
// took.
func (w *World) silence(e *edgeSide, r *rand.Rand) time.Duration {
	w.faults++
	began := w.bus.Now()
	back := e.revive
	if r.IntN(2) == 0 {
		e.kill(true, r.Uint64())
	} else {
		w.wan(e.i, func(p *memnet.Path) { p.Stalled = true })
		back = func() { w.wan(e.i, func(p *memnet.Path) { p.Stalled = false }) }
	}
	w.bus.Run(began + noticeWithin/2)
	for len(w.dark()) == 0 && w.bus.Now()-began < 2*noticeWithin {
		w.bus.Run(w.bus.Now() + time.Second)
	}
	took := w.bus.Now() - began
	if took > noticeWithin {
		w.violated("%s was silent for %v before the desk knew", edgeID(e.i), took)
	}
	w.bus.Run(w.bus.Now() + time.Duration(r.Int64N(int64(2*time.Minute))))
	back()
	w.bus.Run(w.bus.Now() + time.Minute)
	return took
}

// dark are the edges whose silence the desk knows of.
func (w *World) dark() []string {
	var dark []string
	for _, t := range w.look() {
		if t.Fault == estateDark && t.Condition == "active" {
			dark = append(dark, t.Edge)
		}
	}
	return dark
}

const estateDark = "estate_dark"

// judgeDark: as many silences as there were, and no other.
func (w *World) judgeDark(silences int) {
	n := 0
	for _, t := range w.look() {
		if t.Fault == estateDark {
			n += t.Occurrences
		}
	}
	if n != silences {
		w.violated("the desk knows of %d silences, there were %d", n, silences)
	}
}

// look reads the tickets now.
func (w *World) look() (tickets []shown) {
	var err error
	w.wait(func() { tickets, err = w.tickets(w.ctx) })
	if err != nil {
		w.violated("read tickets: %v", err)
	}
	return tickets
}
