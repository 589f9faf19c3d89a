package lines_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
	"github.com/linshao/linshao/simulators/netfault"
)

const (
	// noticed bounds the time until an edge gives a dead line up, in ms.
	noticed = 8000
	// alarmLate bounds the time from an alarm to its page, in ms.
	alarmLate = 12_000
	// thin is a bad mobile line, in bytes per second.
	thin = 8000
)

// trouble is one way for a network to fail.
type trouble struct {
	name  string
	begin func(wan *netfault.Proxy, rng *rand.Rand)
	// dead: nothing can pass, and only the edge itself can find out.
	dead bool
}

func troubles() []trouble {
	return []trouble{
		{name: "latency", begin: func(w *netfault.Proxy, rng *rand.Rand) { w.Delay(upTo(rng, 1500*time.Millisecond)) }}, // each way: 0 to 3 s
		{name: "thin", begin: func(w *netfault.Proxy, _ *rand.Rand) { w.Throttle(netfault.Both, thin) }},
		{name: "slices", begin: func(w *netfault.Proxy, _ *rand.Rand) { w.Slice(1) }},
		{name: "reset", begin: func(w *netfault.Proxy, _ *rand.Rand) { w.DropConnections() }},
		{name: "reset in a message", begin: func(w *netfault.Proxy, rng *rand.Rand) { w.DropAfter(1 + rng.IntN(4000)) }},
		{name: "client reset", begin: func(w *netfault.Proxy, _ *rand.Rand) { w.HalfOpen(netfault.Down) }},
		{name: "cloud reset", begin: func(w *netfault.Proxy, _ *rand.Rand) { w.HalfOpen(netfault.Up) }, dead: true},
		{name: "forgotten", begin: func(w *netfault.Proxy, _ *rand.Rand) { w.Forget() }, dead: true},
		{name: "black hole", begin: func(w *netfault.Proxy, _ *rand.Rand) { w.BlackHole(netfault.Both) }, dead: true},
		{name: "up cut", begin: func(w *netfault.Proxy, _ *rand.Rand) { w.Hold(netfault.Up) }, dead: true},
		{name: "down cut", begin: func(w *netfault.Proxy, _ *rand.Rand) { w.Hold(netfault.Down) }, dead: true},
	}
}

// storm is one run of R8.
type storm struct {
	r    *row.Row
	town *rig.Town
	// scale divides the length of everything.
	scale time.Duration
}

// The network between ten estates and their cloud lies in every way it can,
// under load. Nothing is lost, nothing comes twice, a line on which nothing
// passes is noticed, and alarms are late by no more than that.
func TestChaosR8(t *testing.T) {
	r := row.Begin(t, "R8", "networks that lie")
	estates, scale := 3, time.Duration(20)
	if r.Full() {
		estates, scale = 10, 1
	}
	town := rig.New(t, rig.Options{Estates: estates})
	town.Start()
	load := town.Load(rig.Load{Samples: 2000, AlarmEvery: 500 * time.Millisecond * 4 / min(4, scale), Handle: true})
	s := storm{r: r, town: town, scale: scale}
	episodes := r.N(4*estates, 500)
	const rounds = 5 // each ends in a swizzle of all lines
	if r.Full() {
		for i := range rounds {
			s.apart(i, episodes/estates/rounds-1)
			s.swizzle(i)
		}
	} else {
		s.apart(0, len(troubles())/estates+1)
		s.swizzle(0)
	}
	load.Stop()
	r.Load(2000, load.Reached())
	v := town.Judge(r)
	if r.Full() && v.Latency.Max > alarmLate {
		r.Violation("an alarm came %.0f ms late, over %d", v.Latency.Max, alarmLate)
	}
}

// apart has each line fail by itself, n times; together they meet every kind.
func (s storm) apart(round, n int) {
	var wg sync.WaitGroup
	for i, e := range s.town.Estates {
		wg.Go(func() {
			rng := s.r.Rand(round*len(s.town.Estates) + i)
			for k := range n {
				all := troubles()
				s.suffer(e.WAN, all[(i*n+k+round)%len(all)], rng)
			}
		})
	}
	wg.Wait()
}

// suffer is one episode, and fair weather behind it.
func (s storm) suffer(wan *netfault.Proxy, f trouble, rng *rand.Rand) {
	s.r.Count(f.name, 1)
	s.r.Count("episodes", 1)
	left, present := wan.Left(), wan.Present()
	began := time.Now()
	f.begin(wan, rng)
	switch {
	case f.dead && s.scale == 1 && present > 0:
		ms := float64(s.notice(wan, left).Microseconds()) / 1000
		s.r.Observe("notice_ms", ms)
		if ms > noticed {
			s.r.Violation("%s: not noticed for %.0f ms", f.name, ms)
		}
		s.pass(upTo(rng, time.Second))
	case f.dead:
		s.pass(6*time.Second + upTo(rng, 2*time.Second))
	default:
		s.pass(4*time.Second + upTo(rng, 8*time.Second))
	}
	wan.Heal()
	if f.dead && s.scale > 1 {
		wan.DropConnections() // no time to wait until it is noticed
	}
	s.r.Observe("episode_ms", float64(time.Since(began).Milliseconds()))
	s.pass(time.Second + upTo(rng, 2*time.Second))
}

// notice waits until the edge has given its connection up.
func (s storm) notice(wan *netfault.Proxy, left int) time.Duration {
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), noticed*time.Millisecond+time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for wan.Left() == left {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return time.Since(began)
		}
	}
	return time.Since(began)
}

// swizzle stops all lines one by one and restores them one by one, each in an
// order of its own.
func (s storm) swizzle(round int) {
	rng := s.r.Rand(1000 + round)
	lines := s.town.Estates
	step := 3500 * time.Millisecond / time.Duration(len(lines))
	for _, i := range rng.Perm(len(lines)) {
		lines[i].WAN.Partition()
		s.r.Count("swizzled", 1)
		s.r.Count("episodes", 1)
		s.pass(upTo(rng, step))
	}
	for _, i := range rng.Perm(len(lines)) {
		s.pass(upTo(rng, step))
		lines[i].WAN.Heal()
	}
	s.pass(3 * time.Second)
}

// pass waits for d, scaled.
func (s storm) pass(d time.Duration) { <-time.After(d / s.scale) }

// upTo is a random time below d.
func upTo(rng *rand.Rand, d time.Duration) time.Duration {
	return time.Duration(rng.Int64N(int64(d)))
}
