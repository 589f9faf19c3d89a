package rig

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/linshao/linshao/simulators/mqttsim"
)

const (
	// impatience is how long a device waits before it tries again.
	impatience = 100 * time.Millisecond
	// settleBound ends a load whose gateways never acknowledge the rest.
	settleBound = time.Minute
)

// Load is what the devices of a town do.
type Load struct {
	// Samples is how many values a second all estates send together.
	Samples float64
	// AlarmEvery is the time between two alarms in the town, trapped
	// passengers and forced doors in turn; 0 for none.
	AlarmEvery time.Duration
	// Handle has people answer each page: the condition ends, somebody accepts,
	// arrives, resolves and closes, and the device may raise its next alarm.
	// Without it a town runs out of devices after Lifts + Gates alarms for each
	// estate.
	Handle bool
}

// Loading is a load under way.
type Loading struct {
	w      *Town
	o      Load
	cancel context.CancelFunc // no new messages
	abort  context.CancelFunc // nor old ones
	sent   sync.WaitGroup
	alarms sync.WaitGroup
	meters sync.WaitGroup
	began  time.Time
	ended  time.Time
	acked  atomic.Int64
	byEnd  int64
	raised atomic.Int64
	all    []*meterLoad
}

// meterLoad is one device's life. Only its two goroutines use it.
type meterLoad struct {
	estate, device string
	sim            *mqttsim.Device

	mu      sync.Mutex // guards pending
	pending []mqttsim.Message
}

// Load starts the devices.
func (w *Town) Load(o Load) *Loading {
	ctx, cancel := context.WithCancel(w.t.Context())
	hard, abort := context.WithCancel(w.t.Context())
	l := &Loading{w: w, o: o, cancel: cancel, abort: abort, began: time.Now()}
	if o.Samples > 0 {
		every := time.Duration(float64(time.Second) * float64(len(w.Estates)*w.o.Meters*w.o.Metrics) / o.Samples)
		for _, e := range w.Estates {
			for i := range w.o.Meters {
				l.meter(ctx, hard, e, i, every)
			}
		}
	}
	if o.AlarmEvery > 0 {
		l.sent.Go(func() { l.raise(ctx, hard) })
	}
	w.t.Cleanup(func() {
		cancel()
		abort()
		l.wait()
	})
	return l
}

func (l *Loading) meter(ctx, hard context.Context, e *Estate, i int, every time.Duration) {
	m := &meterLoad{estate: e.ID, device: meter(i)}
	m.sim = mqttsim.New(mqttsim.Options{
		URL: "tcp://" + e.MQTT, Device: m.device, Password: secret, Log: slog.New(slog.DiscardHandler),
		Impatience: impatience, Acked: func(a mqttsim.Entry) { l.settle(m, a) },
	})
	l.all = append(l.all, m)
	l.meters.Go(func() { _ = m.sim.Run(hard) })
	l.sent.Go(func() { l.measure(ctx, m, i, every) })
}

// measure sends numbered values at a steady pace. What the gateway could not
// take in time is sent later, with the time it was measured.
func (l *Loading) measure(ctx context.Context, m *meterLoad, offset int, every time.Duration) {
	timer := time.NewTimer(every * time.Duration(offset) / time.Duration(l.w.o.Meters))
	defer timer.Stop()
	due, last := time.Now(), int64(0)
	for n := 1; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		last = max(last+1, time.Now().UnixMilli())
		values := make(map[string]any, l.w.o.Metrics)
		for k := range l.w.o.Metrics {
			values[metric(k)] = float64(n*l.w.o.Metrics + k)
		}
		if !l.send(ctx, m, mqttsim.Message{AtMS: last, Values: values}) {
			return
		}
		due = due.Add(every)
		timer.Reset(time.Until(due))
	}
}

func (l *Loading) send(ctx context.Context, m *meterLoad, msg mqttsim.Message) bool {
	m.mu.Lock()
	m.pending = append(m.pending, msg)
	m.mu.Unlock()
	if _, err := m.sim.Publish(ctx, msg); err != nil {
		m.mu.Lock()
		m.pending = m.pending[:len(m.pending)-1] // it never left the device
		m.mu.Unlock()
		return false
	}
	return true
}

// settle writes down what a PUBACK promised. PUBACKs come in order.
func (l *Loading) settle(m *meterLoad, a mqttsim.Entry) {
	m.mu.Lock()
	m.pending = m.pending[1:]
	m.mu.Unlock()
	l.tell(m, a.AtMS, a.Values, true)
	l.acked.Add(int64(len(a.Values)))
}

func (l *Loading) tell(m *meterLoad, ts int64, values map[string]any, ack bool) {
	at := l.w.Now()
	for name, v := range values {
		f, _ := v.(float64)
		l.w.told.add(Sample{At: at, Estate: m.estate, Device: m.device, Metric: name, TS: ts, Value: f, Ack: ack})
	}
}

// Acked counts the samples that got their PUBACK.
func (l *Loading) Acked() int64 { return l.acked.Load() }

// Raised counts the alarms that were raised, acknowledged or not.
func (l *Loading) Raised() int64 { return l.raised.Load() }

// Reached is the samples acknowledged per second until Stop.
func (l *Loading) Reached() float64 {
	return float64(l.byEnd) / l.ended.Sub(l.began).Seconds()
}

// Stop ends the load: devices send nothing new, and stay until all they sent
// is acknowledged; what is not within a minute is told as unknown.
// Stopping it again does nothing.
func (l *Loading) Stop() {
	if !l.ended.IsZero() {
		return
	}
	l.ended, l.byEnd = time.Now(), l.acked.Load()
	l.cancel()
	l.sent.Wait()
	bound := time.AfterFunc(settleBound, l.abort)
	defer bound.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for l.unsettled() > 0 && time.Since(l.ended) < settleBound {
		<-tick.C
	}
	l.alarms.Wait()
	l.abort()
	l.wait()
	for _, m := range l.all {
		for _, p := range m.pending {
			l.tell(m, p.AtMS, p.Values, false)
		}
	}
}

func (l *Loading) unsettled() int {
	n := 0
	for _, m := range l.all {
		m.mu.Lock()
		n += len(m.pending)
		m.mu.Unlock()
	}
	return n
}

func (l *Loading) wait() {
	l.sent.Wait()
	l.alarms.Wait()
	l.meters.Wait()
}
