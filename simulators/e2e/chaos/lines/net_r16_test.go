package lines_test

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/api"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
	"github.com/linshao/linshao/simulators/fleet"
	"github.com/linshao/linshao/simulators/netfault"
)

const (
	// darkWithin is when the desk must know that an estate is dark, and
	// lightWithin when that it is back.
	darkWithin, lightWithin = 60 * time.Second, 30 * time.Second
	// darkFault is the ticket's.
	darkFault = "estate_dark"
	// lossy is the share of segments that get lost.
	lossy = 0.05
)

// box is one edge that speaks the uplink protocol behind a line of its own.
type box struct {
	t    *testing.T
	e    *rig.Estate
	cred fleet.Credential
	rng  *rand.Rand
	// stop ends the edge; nil while it is off.
	stop context.CancelFunc
	gone sync.WaitGroup
	// silent and back are when it fell silent and came back; guarded by
	// being one goroutine's until all is over.
	silent, back time.Time
}

// Edges fall silent at random moments, in every way, half of them on lines that
// lose one segment in twenty. For each there is one ticket within a minute, for
// none that merely stumbles, and it is cleared once the edge is back.
func TestChaosR16(t *testing.T) {
	r := row.Begin(t, "R16", "silent edges")
	victims, steady, spread := 0, 4, time.Second // a minute of silence does not fit into the short row
	if r.Full() {
		victims, steady, spread = r.N(100, 100), 20, 60*time.Second
	}
	town := rig.New(t, rig.Options{Estates: victims + steady, Meters: 1, Metrics: 1, Lifts: 1, Gates: 1})
	town.Cloud.Start()
	town.Ready(town.Cloud)
	ctx, cancel := context.WithCancel(t.Context())
	boxes := make([]*box, len(town.Estates))
	for i, c := range credentials(t, town) {
		boxes[i] = &box{t: t, e: town.Estates[i], cred: c, rng: r.Rand(i)}
		if i%2 == 0 {
			boxes[i].e.WAN.Lose(lossy, r.Seed(i))
		}
		boxes[i].start(ctx)
	}
	var wg sync.WaitGroup
	for i, b := range boxes {
		switch {
		case i < victims:
			wg.Go(func() { b.fallSilent(ctx, r, town, spread, i) })
		case i%4 == 1:
			wg.Go(func() { b.stumble(spread, 2*spread) })
		}
	}
	wg.Wait()
	<-time.After(spread / 10)
	cancel()
	for _, b := range boxes {
		b.gone.Wait()
	}
	judgeDark(t, r, town, boxes[:victims])
	r.Count("silenced", victims)
	r.Count("steady", steady)
}

// start turns the edge on.
func (b *box) start(ctx context.Context) {
	ctx, b.stop = context.WithCancel(ctx)
	seed := b.rng.Uint64()
	b.gone.Go(func() {
		_, err := fleet.Run(ctx, fleet.Options{
			URL: "tcp://" + b.e.WAN.Addr(), Credentials: []fleet.Credential{b.cred}, Devices: 1, Rate: 1,
			Every: time.Second, Duration: time.Hour, Seed: seed, Log: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			b.t.Errorf("%s: %v", b.e.ID, err)
		}
	})
}

// fallSilent is the story of one edge.
func (b *box) fallSilent(ctx context.Context, r *row.Row, town *rig.Town, spread time.Duration, i int) {
	<-time.After(10*time.Second + upTo(b.rng, spread))
	b.silent = time.Now()
	killed := false
	switch i % 5 {
	case 0:
		b.e.WAN.BlackHole(netfault.Both)
	case 1:
		b.e.WAN.BlackHole(netfault.Up)
	case 2:
		b.e.WAN.Hold(netfault.Both)
	case 3:
		b.e.WAN.Cut()
	default:
		killed = true
		b.e.WAN.Cut() // dies without a goodbye
		b.stop()
	}
	if !b.await(ctx, town, "active", darkWithin+30*time.Second) {
		r.Violation("%s fell silent and nobody was told", b.e.ID)
	}
	took := time.Since(b.silent)
	r.Observe("dark_ms", float64(took.Milliseconds()))
	if took > darkWithin {
		r.Violation("%s was silent for %s before anybody was told", b.e.ID, took)
	}
	b.e.WAN.Heal()
	if killed {
		b.gone.Wait()
		b.start(ctx)
	}
	b.back = time.Now()
	if !b.await(ctx, town, "cleared", lightWithin+30*time.Second) {
		r.Violation("%s is back and its ticket is not cleared", b.e.ID)
	}
	r.Observe("light_ms", float64(time.Since(b.back).Milliseconds()))
}

// stumble has a line fail again and again for less than anybody needs to know.
func (b *box) stumble(first, whole time.Duration) {
	end := time.Now().Add(whole)
	<-time.After(upTo(b.rng, first) / 4)
	for time.Now().Before(end) {
		b.e.WAN.Partition()
		<-time.After(upTo(b.rng, first) / 4)
		b.e.WAN.Heal()
		<-time.After(whole / 8)
	}
}

// await waits until the estate's ticket has a condition.
func (b *box) await(ctx context.Context, town *rig.Town, condition string, limit time.Duration) bool {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for {
		all, err := town.API.Tickets(ctx, "estate="+b.e.ID)
		for _, x := range all {
			if err == nil && x.Fault == darkFault && x.Condition == condition {
				return true
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

// judgeDark holds the tickets against what happened: one for each victim,
// raised after it fell silent, none for anybody else.
func judgeDark(t *testing.T, r *row.Row, town *rig.Town, victims []*box) {
	t.Helper()
	all, err := town.API.Tickets(t.Context(), "")
	must(t, err)
	found := map[string][]api.Ticket{}
	for _, x := range all {
		if x.Fault == darkFault {
			found[x.Estate] = append(found[x.Estate], x)
		}
	}
	for _, b := range victims {
		of := found[b.e.ID]
		delete(found, b.e.ID)
		if len(of) != 1 || of[0].Occurrences != 1 {
			r.Violation("%s has %d dark tickets: %+v", b.e.ID, len(of), of)
		} else if of[0].ReceivedAt.Before(b.silent) {
			r.Violation("%s was called dark at %s, before it fell silent at %s", b.e.ID, of[0].ReceivedAt, b.silent)
		}
	}
	for estate := range found {
		r.Violation("%s was called dark and was not", estate)
	}
	r.Count("dark_tickets", len(victims))
}
