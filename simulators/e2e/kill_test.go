package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/simulators/e2e/site"
)

// load publishes numbered samples and, now and then, a forced door, each until
// it is acknowledged, as a device does. It keeps what it was told.
type load struct {
	d *site.Device
	// acked are the samples that got their PUBACK, time by time; forced
	// counts the acknowledged alarms.
	acked  map[int64]float64
	forced int
}

func (l *load) run(ctx context.Context, start int64) {
	for i := int64(0); ctx.Err() == nil; i++ {
		at, value := start+i, float64(i%997)
		l.until(ctx, "devices/gate-east-1/telemetry", fmt.Sprintf(`{"ts": %d, "values": {"passages": %g}}`, at, value))
		if ctx.Err() == nil {
			l.acked[at] = value
		}
		if i%400 == 200 {
			l.until(ctx, "devices/gate-east-1/events", fmt.Sprintf(`{"ts": %d, "event": "door_forced_open"}`, at))
			if ctx.Err() == nil {
				l.forced++
			}
		}
	}
}

// until sends one message until its PUBACK came or the story ends.
func (l *load) until(ctx context.Context, topic, payload string) {
	for ctx.Err() == nil {
		if l.d.Publish(topic, payload) == nil {
			return
		}
		pause := time.NewTimer(20 * time.Millisecond)
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// Edge and cloud are killed at random under load. Whatever a device was told
// is on disk is in the cloud afterwards, once, and nobody is paged twice.
func TestChaosKilledAtRandom(t *testing.T) {
	t.Parallel()
	const kills = 24
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	p := startPager(t)
	s := site.New(t, site.Options{PagerURL: p.URL()})
	ctx, cancel := context.WithCancel(t.Context())
	l := &load{d: s.Device("gate-east-1", "gate-secret-1"), acked: map[int64]float64{}}
	start := time.Now().UnixMilli()
	var wg sync.WaitGroup
	wg.Go(func() { l.run(ctx, start) })
	for range kills {
		victim, base := s.EdgeDaemon, s.EdgeURL
		if rng.IntN(2) == 0 {
			victim, base = s.Cloud, s.CloudURL
		}
		after := time.NewTimer(time.Duration(50+rng.IntN(450)) * time.Millisecond)
		<-after.C
		victim.Kill()
		victim.Start()
		s.WaitReady(base)
	}
	cancel()
	wg.Wait()
	if len(l.acked) < 500 || l.forced == 0 {
		t.Fatalf("too little load to judge by: %d samples, %d alarms acknowledged", len(l.acked), l.forced)
	}
	judge(t, s, l, start)
	for _, page := range p.Pages() {
		if page.Repeats > 0 {
			t.Logf("page %s to %s came %d times more under its own key", page.ID, page.Staff, page.Repeats)
		}
	}
}

func judge(t *testing.T, s *site.Site, l *load, start int64) {
	t.Helper()
	var stored map[int64]float64
	missing := -1
	s.Eventually("every acknowledged sample in the cloud", 2*time.Minute, func() bool {
		stored = map[int64]float64{}
		for _, x := range s.Series("gate-east-1", "passages", start, start+int64(len(l.acked))+1000) {
			stored[int64(x[0])] = x[1]
		}
		missing = 0
		for at, v := range l.acked {
			if got, ok := stored[at]; !ok || got != v {
				missing++
			}
		}
		return missing == 0
	})
	t.Logf("%d samples and %d alarms acknowledged, %d stored", len(l.acked), l.forced, len(stored))
	tickets := s.Tickets("device=gate-east-1")
	if len(tickets) != 1 {
		t.Errorf("%d tickets of one condition: %+v", len(tickets), tickets)
	}
	seen := map[string]bool{}
	for _, tk := range tickets {
		for _, d := range s.Deliveries(tk.ID) {
			who := fmt.Sprintf("%d/%s/%s", d.Step, d.Staff, d.Channel)
			if seen[who] {
				t.Errorf("two deliveries of one step: %s", who)
			}
			seen[who] = true
		}
	}
}
