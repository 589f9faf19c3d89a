package modbus

import (
	"context"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/simulators/modbussim"
)

// story is an endpoint with its devices, seen through the driver, in virtual
// time.
type story struct {
	*testing.T
	server *modbussim.Server
	// refuse makes dialling fail.
	refuse bool
	// halt stops the driver and waits for it; the story's end does it too.
	halt func()
	*record
}

// record is a Sink and Stats that remember.
type record struct {
	mu      sync.Mutex
	samples []telemetry.Sample
	done    error
	full    chan struct{} // where set, Put blocks until it is closed
	failed  map[string]int
	polled  int
	skipped int
	dials   []time.Time
	ups     []bool
}

func (r *record) Put(ctx context.Context, b driver.Batch) error {
	r.mu.Lock()
	full := r.full
	r.mu.Unlock()
	if full != nil {
		select {
		case <-full:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples = append(r.samples, b.Samples...)
	if b.Done != nil {
		b.Done(r.done)
	}
	return nil
}

func (r *record) Polled(time.Duration) { r.mu.Lock(); r.polled++; r.mu.Unlock() }
func (r *record) Skipped(n int)        { r.mu.Lock(); r.skipped += n; r.mu.Unlock() }
func (r *record) Failed(reason string) { r.mu.Lock(); r.failed[reason]++; r.mu.Unlock() }
func (r *record) Up(_ string, up bool) { r.mu.Lock(); r.ups = append(r.ups, up); r.mu.Unlock() }

// of returns what was said about a metric of a device.
func (r *record) of(dev, metric string) []telemetry.Sample {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []telemetry.Sample
	for _, s := range r.samples {
		if s.Key.Device == dev && s.Key.Metric == metric {
			out = append(out, s)
		}
	}
	return out
}

// last returns the newest Sample of a metric.
func (s *story) last(dev, metric string) telemetry.Sample {
	s.Helper()
	all := s.of(dev, metric)
	if len(all) == 0 {
		s.Fatalf("nothing was said about %s of %s", metric, dev)
	}
	return all[len(all)-1]
}

// forget empties the record.
func (r *record) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.samples, r.failed, r.ups, r.dials, r.skipped, r.polled = nil, map[string]int{}, nil, nil, 0, 0
}

// pass lets virtual time go by, and all that happens in it happen.
func (s *story) pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func (s *story) dial(context.Context, string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dials = append(s.dials, time.Now())
	if s.refuse {
		return nil, syscall.ECONNREFUSED
	}
	here, there := net.Pipe()
	s.server.Connect(there)
	return here, nil
}

// tell runs a story about devices with units 1, 2, … of one profile.
func tell(t *testing.T, p *device.Profile, devices int, plot func(*story)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &story{T: t, server: modbussim.Detached(), record: &record{failed: map[string]int{}}}
		defer s.server.Close()
		var ds []device.Device
		for i := range devices {
			s.server.Unit(uint8(i+1)).SetHolding(0, 0, 0, 0)
			ds = append(ds, device.Device{
				ID: string(rune('a' + i)), Kind: "test", Profile: p,
				Modbus: &device.Endpoint{URL: "tcp://bus:502", Unit: uint8(i + 1)},
			})
		}
		drv, err := New(ds, s, Options{Clock: clock.NewSystem(), Log: slog.New(slog.DiscardHandler), Stats: s, Dial: s.dial})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- drv.Run(ctx) }()
		s.halt = sync.OnceFunc(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run: %v", err)
			}
		})
		defer s.halt()
		synctest.Wait()
		plot(s)
	})
}
