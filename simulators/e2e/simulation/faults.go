package simulation

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"github.com/linshao/linshao/protocol/kit/memnet"
)

// fault is one way in which things go wrong. begin returns what ends it, nil if
// it ends by itself, and gets how long it is to last.
type fault struct {
	name  string
	every time.Duration // how often, on average
	most  time.Duration // how long it lasts at most
	begin func(w *World, r *rand.Rand, lasts time.Duration) (end func())
}

func faults() []fault {
	return []fault{
		{"wan break", 6 * time.Minute, time.Second, breakWAN},
		{"wan stall", 9 * time.Minute, 6 * time.Minute, stallWAN},
		{"wan refused", 12 * time.Minute, 4 * time.Minute, refuseWAN},
		{"wan slow", 10 * time.Minute, 5 * time.Minute, slowWAN},
		{"device break", 4 * time.Minute, time.Second, breakDevice},
		{"device stall", 10 * time.Minute, 2 * time.Minute, stallDevice},
		{"edge dies", 12 * time.Minute, time.Minute, killEdge},
		{"edge dies inside", 8 * time.Minute, 30 * time.Second, killEdgeInside},
		{"edge disk", 15 * time.Minute, time.Minute, failDisk},
		{"edge clock", 15 * time.Minute, 10 * time.Minute, jumpEdge},
		{"cloud dies", 20 * time.Minute, 2 * time.Minute, killCloud},
		{"cloud dies inside", 20 * time.Minute, time.Second, killCloudInside},
		{"cloud clock", 20 * time.Minute, 5 * time.Minute, jumpCloud},
		{"pager moody", 8 * time.Minute, 4 * time.Minute, upsetPager},
		{"pager gone", 15 * time.Minute, 2 * time.Minute, losePager},
	}
}

// plague plans the faults of a run: which kinds there are and when.
func (w *World) plague() {
	for _, f := range faults() {
		r := w.dice("fault " + f.name)
		if r.IntN(10) < 4 {
			continue // a run without a kind lets others go deeper
		}
		for at := w.gap(r, f.every); at < w.o.For; at += w.gap(r, f.every) {
			seed := r.Uint64()
			lasts := time.Duration(float64(f.most) * r.Float64() * r.Float64())
			w.after(at, f.name, func() { w.strike(f, seed, lasts) })
		}
	}
}

// gap is a time between two of a kind: many are short, few are long.
func (w *World) gap(r *rand.Rand, mean time.Duration) time.Duration {
	return time.Second + time.Duration(r.ExpFloat64()*float64(mean))
}

func (w *World) strike(f fault, seed uint64, lasts time.Duration) {
	if w.healthy {
		return
	}
	w.faults++
	w.trace("fault", f.name, lasts.String())
	end := f.begin(w, rand.New(rand.NewPCG(seed, 3)), lasts) //nolint:gosec // reproducible by intent
	if end != nil {
		w.after(lasts, "end of "+f.name, end)
	}
}

func (w *World) anEdge(r *rand.Rand) *edgeSide { return w.edges[r.IntN(len(w.edges))] }

func breakWAN(w *World, r *rand.Rand, _ time.Duration) func() {
	w.net.Break(edgeID(w.anEdge(r).i), "cloud")
	return nil
}

// stallWAN is a black hole in one direction or both. Connections often do not
// survive the end of it.
func stallWAN(w *World, r *rand.Rand, _ time.Duration) func() {
	e := w.anEdge(r)
	stall := func(on bool, up, down bool) {
		if up {
			w.net.Change(edgeID(e.i), "cloud", func(p *memnet.Path) { p.Stalled = on })
		}
		if down {
			w.net.Change("cloud", edgeID(e.i), func(p *memnet.Path) { p.Stalled = on })
		}
	}
	way := r.IntN(3)
	stall(true, way != 1, way != 0)
	return func() { stall(false, true, true) }
}

func refuseWAN(w *World, r *rand.Rand, _ time.Duration) func() {
	e := w.anEdge(r)
	w.net.Change(edgeID(e.i), "cloud", func(p *memnet.Path) { p.Refused = true })
	w.net.Break(edgeID(e.i), "cloud")
	return func() { w.net.Change(edgeID(e.i), "cloud", func(p *memnet.Path) { p.Refused = false }) }
}

func slowWAN(w *World, r *rand.Rand, _ time.Duration) func() {
	e, most, lost := w.anEdge(r), time.Duration(1+r.IntN(1500))*time.Millisecond, 0.2*r.Float64()
	w.wan(e.i, func(p *memnet.Path) { p.Most, p.Lost = p.Least+most, lost })
	return func() { w.fairWAN(e.i) }
}

func (w *World) fairWAN(i int) {
	w.wan(i, func(p *memnet.Path) { p.Least, p.Most, p.Lost = 5*time.Millisecond, 60*time.Millisecond, w.o.Lost })
}

func (w *World) aDevice(r *rand.Rand) *device { return w.devices[r.IntN(len(w.devices))] }

func breakDevice(w *World, r *rand.Rand, _ time.Duration) func() {
	d := w.aDevice(r)
	w.net.Break(d.name(), edgeID(d.edge))
	return nil
}

func stallDevice(w *World, r *rand.Rand, _ time.Duration) func() {
	d, up := w.aDevice(r), r.IntN(2) == 0
	from, to := d.name(), edgeID(d.edge)
	if !up {
		from, to = to, from
	}
	w.net.Change(from, to, func(p *memnet.Path) { p.Stalled = true })
	return func() { w.net.Change(from, to, func(p *memnet.Path) { p.Stalled = false }) }
}

func killEdge(w *World, r *rand.Rand, _ time.Duration) func() {
	e := w.anEdge(r)
	e.kill(r.IntN(2) == 0, r.Uint64())
	return e.revive
}

func killEdgeInside(w *World, r *rand.Rand, lasts time.Duration) func() {
	e := w.anEdge(r)
	if e.up {
		e.dieInside(r, lasts)
	}
	return nil
}

// failDisk makes everything that changes the disk fail for a while; what was
// open then must not be trusted any more.
func failDisk(w *World, r *rand.Rand, _ time.Duration) func() {
	e := w.anEdge(r)
	d := e.disk
	d.fail([]error{syscall.EIO, syscall.ENOSPC}[r.IntN(2)])
	return func() { d.fail(nil) }
}

func jumpEdge(w *World, r *rand.Rand, _ time.Duration) func() {
	e := w.anEdge(r)
	e.wall.jump(jump(r, 2*time.Hour))
	return func() { e.wall.set(0) }
}

// mostBehind is how far the cloud's clock may fall behind. What is put right by
// such a clock can fall on the millisecond of what is stored already, since
// these devices speak on whole seconds; one of the two stays then.
const mostBehind = 4 * time.Minute

func jumpCloud(w *World, r *rand.Rand, lasts time.Duration) func() {
	w.cloud.wall.jump(max(-mostBehind, jump(r, time.Hour)))
	w.disturbed(lasts + 15*time.Second)
	return func() { w.cloud.wall.set(0) }
}

// jump is small as often as it is large, forwards as often as backwards.
func jump(r *rand.Rand, most time.Duration) time.Duration {
	d := time.Duration(float64(most) * r.Float64() * r.Float64() * r.Float64())
	if r.IntN(2) == 0 {
		d = -d
	}
	return d
}

func killCloud(w *World, _ *rand.Rand, _ time.Duration) func() {
	w.cloud.kill()
	return w.cloud.revive
}

// killCloudInside has it die beside one of its next commits.
func killCloudInside(w *World, r *rand.Rand, _ time.Duration) func() {
	w.cloud.dieAt.Store(1 + r.Int64N(8))
	return nil
}

func upsetPager(w *World, r *rand.Rand, lasts time.Duration) func() {
	w.pager.mood = []mood{flaky, flaky, hanging, refusing}[r.IntN(4)]
	w.disturbed(lasts + 15*time.Second)
	return func() { w.pager.mood = friendly }
}

func losePager(w *World, r *rand.Rand, lasts time.Duration) func() {
	w.disturbed(lasts + 15*time.Second)
	if r.IntN(2) == 0 {
		w.net.Change("cloud", "pager", func(p *memnet.Path) { p.Refused = true })
		w.net.Break("cloud", "pager")
		return func() { w.net.Change("cloud", "pager", func(p *memnet.Path) { p.Refused = false }) }
	}
	w.net.Change("pager", "cloud", func(p *memnet.Path) { p.Stalled = true })
	return func() { w.net.Change("pager", "cloud", func(p *memnet.Path) { p.Stalled = false }) }
}

// heal ends everything that is wrong.
func (w *World) heal() {
	w.healthy = true
	w.trace("heal", "", "")
	free := func(a, b string) {
		for _, way := range [][2]string{{a, b}, {b, a}} {
			w.net.Change(way[0], way[1], func(p *memnet.Path) { p.Stalled, p.Refused = false, false })
		}
	}
	for _, e := range w.edges {
		free(edgeID(e.i), "cloud")
		w.fairWAN(e.i)
		e.disk.fail(nil)
		e.disk.dieAfter(0, false, 0, nil)
		e.wall.set(0)
		e.revive()
	}
	for _, d := range w.devices {
		free(d.name(), edgeID(d.edge))
	}
	free("cloud", "pager")
	w.pager.mood = friendly
	w.cloud.wall.set(0)
	w.cloud.dieAt.Store(0)
	w.cloud.revive()
	w.disturbed(30 * time.Second)
}

// blackout takes the power from everything at once.
func (w *World) blackout(r *rand.Rand) {
	w.trace("blackout", "", "")
	for _, e := range w.edges {
		e.kill(true, r.Uint64())
	}
	w.cloud.kill()
}

// work plans what devices say, and their alarms.
func (w *World) work() {
	for n, d := range w.devices {
		r := w.dice("device " + d.name())
		period := time.Duration(30+r.IntN(30)) * time.Second
		w.every(fmt.Sprintf("%s keeps", d.name()), 7*time.Second, time.Duration(n)*500*time.Millisecond, func() bool {
			d.keep()
			return true
		})
		w.every(d.name()+" says", period, time.Duration(r.Int64N(int64(period))), func() bool {
			if w.healthy {
				return false
			}
			d.say(1 + r.IntN(8))
			return true
		})
		w.suffer(d, r)
	}
}

// every calls f again and again while it returns true.
func (w *World) every(name string, period, first time.Duration, f func() bool) {
	var again func()
	again = func() {
		if w.ctx.Err() == nil && f() {
			w.after(period, name, again)
		}
	}
	w.after(first, name, again)
}

// suffer plans a device's conditions, one after the other with time between.
func (w *World) suffer(d *device, r *rand.Rand) {
	type condition struct{ begin, end string }
	kinds := []condition{{"door_forced_open", "door_closed"}, {"passenger_trapped", "passenger_freed"}}
	at := time.Duration(r.Int64N(int64(w.o.For)))
	for at < w.o.For {
		k := kinds[min(1, r.IntN(4)/3)]
		w.after(at, d.name()+" "+k.begin, func() { d.begin(k.begin, k.end) })
		at += 20*time.Second + w.gap(r, 4*time.Minute)
		if at < w.o.For {
			w.after(at, d.name()+" "+k.end, func() { d.finish(k.begin, k.end) })
		}
		at += 2*time.Minute + w.gap(r, w.o.For/2)
	}
}
