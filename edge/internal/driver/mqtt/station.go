package mqtt

import (
	"context"
	"sync"

	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/kit/mqttbroker"
	"github.com/linshao/linshao/protocol/telemetry"
)

// station is one device's place at the edge.
type station struct {
	// order is held while something of the device is handed to the Sink; it
	// guards codec and reported.
	order sync.Mutex
	codec *codec
	// reported is the reachability last handed over.
	reported verdict

	mu sync.Mutex
	// connected: the device has a session; guarded by mu.
	connected bool
	// asleep: it is connected, but its status says offline; guarded by mu.
	asleep bool
	// judged: there is a verdict, the device signed in once or the grace
	// after the start is over; guarded by mu.
	judged bool
}

type verdict uint8

const (
	unknown verdict = iota
	offline
	online
)

func (s *station) verdict() verdict {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.connected && !s.asleep:
		return online
	case s.judged:
		return offline
	default:
		return unknown
	}
}

// say takes the device's own word. A session that begins wakes it.
func (s *station) say(awake bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asleep = !awake
}

func (s *station) connect(connected bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.connected, s.asleep, s.judged = connected, false, true
}

func (s *station) judge() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.judged = true
}

// Changed implements mqttbroker.Presence.
func (d *Driver) Changed(id mqttbroker.Identity, up, _ bool) {
	if st := d.stations[string(id)]; st != nil {
		st.connect(up)
		d.signal()
	}
}

func (d *Driver) signal() {
	select {
	case d.roll <- struct{}{}:
	default:
	}
}

// callRoll reports reachability as it changes, until ctx ends. A change that is
// undone before it could be reported is not reported.
func (d *Driver) callRoll(ctx context.Context) {
	grace := d.o.Clock.NewTimer(d.o.Grace)
	defer grace.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-grace.C():
			for _, st := range d.stations {
				st.judge()
			}
		case <-d.roll:
		}
		for _, st := range d.stations {
			st.order.Lock()
			err := d.report(ctx, st)
			st.order.Unlock()
			if err != nil && ctx.Err() != nil {
				return
			}
		}
	}
}

// report hands st's reachability over if it changed. st.order must be held, so
// that what a device says after signing in follows "online". On an error the
// change stays unreported and the next call tries again.
func (d *Driver) report(ctx context.Context, st *station) error {
	v := st.verdict()
	if v == st.reported || v == unknown {
		return nil
	}
	c := st.codec
	s := c.online(v == online, clock.NowMS(d.o.Clock))
	if err := d.o.Sink.Put(ctx, driver.Batch{Device: c.device, Samples: []telemetry.Sample{s}}); err != nil {
		return err
	}
	st.reported = v
	d.o.Stats.Up(c.device, v == online)
	return nil
}
