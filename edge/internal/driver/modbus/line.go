package modbus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/goburrow/modbus"

	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
)

// line is the actor of one endpoint: one connection, one queue, one goroutine.
type line struct {
	units []*unit
	link  *link
	sink  driver.Sink
	clock clock.Clock
	stats Stats
	log   *slog.Logger
	turns uint64
}

func newLine(address string, units []*unit, sink driver.Sink, o Options) *line {
	t := &transport{clock: o.Clock, address: address, dial: o.Dial, every: o.DialEvery}
	for _, u := range units {
		t.pause = max(t.pause, u.device.Profile.Modbus.ConnectPause)
	}
	return &line{
		units: units, link: newLink(t), sink: sink, clock: o.Clock, stats: o.Stats,
		log: o.Log.With("component", "modbus", "endpoint", address),
	}
}

// run polls until ctx ends.
func (l *line) run(ctx context.Context) error {
	l.link.transport.ctx = ctx
	defer l.link.transport.drop()
	start := l.clock.Mono()
	for _, u := range l.units {
		for _, p := range u.polls {
			p.due += start
		}
	}
	for {
		u, p, due := next(l.units)
		if u == nil {
			<-ctx.Done()
			return nil
		}
		if err := clock.Wait(ctx, l.clock, due-l.clock.Mono()); err != nil {
			return nil // told to stop
		}
		if err := l.serve(ctx, u, p); err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("hand over samples of %s: %w", u.device.ID, err)
		}
	}
}

// serve reads one poll and hands over what came of it. The error is the
// Sink's.
func (l *line) serve(ctx context.Context, u *unit, p *poll) error {
	l.turns++
	u.served = l.turns
	if u.forget.Swap(false) {
		u.reportAgain()
	}
	begin := l.clock.Mono()
	answer, err := l.link.read(u.device.Modbus.Unit, p.block, u.device.Profile.Modbus.Timeout)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	now, nowMS := l.clock.Mono(), clock.NowMS(l.clock)
	var samples []telemetry.Sample
	if err == nil {
		l.stats.Polled(now - begin)
		l.advance(p, now)
		p.refusals = 0
		samples = u.values(p, answer, now, nowMS)
		samples = l.answered(u, samples, nowMS)
	} else {
		samples = l.failed(u, p, err, now, nowMS)
	}
	if len(samples) == 0 {
		return nil
	}
	return l.sink.Put(ctx, driver.Batch{Device: u.device.ID, Samples: samples, Done: func(err error) {
		if err != nil {
			u.forget.Store(true)
		}
	}})
}

// advance moves a poll on and counts the periods that were left out.
func (l *line) advance(p *poll, now time.Duration) {
	if n := p.advance(now); n > 0 {
		l.stats.Skipped(n)
	}
}

// answered notes that a unit is there; the line that reached it serves its
// neighbours again at once.
func (l *line) answered(u *unit, samples []telemetry.Sample, nowMS int64) []telemetry.Sample {
	if u.answered() {
		l.stats.Up(u.device.ID, true)
		l.log.Info("device answers", "device", u.device.ID)
		samples = append(samples, u.online(nowMS))
	}
	for _, other := range l.units {
		if other.lineDown {
			other.notBefore, other.lineDown = 0, false
		}
	}
	return samples
}

// failed judges a read that brought no value.
func (l *line) failed(u *unit, p *poll, err error, now time.Duration, nowMS int64) []telemetry.Sample {
	reason := reasonOf(err)
	l.stats.Failed(reason)
	var x *modbus.ModbusError
	// 10 and 11 are a gateway's words for a unit that does not answer it.
	if errors.As(err, &x) && x.ExceptionCode != 10 && x.ExceptionCode != 11 {
		l.advance(p, now)
		p.refused(x.ExceptionCode, now)
		return l.answered(u, u.lost(nil, p, reason, now, nowMS), nowMS)
	}
	// Whatever else of the unit is due would end the same way: it is told
	// without being tried, so that a dead unit costs one time-out.
	var samples []telemetry.Sample
	for _, q := range u.polls {
		if q == p || q.due <= now {
			samples = u.lost(samples, q, reason, now, nowMS)
			l.advance(q, now)
		}
	}
	var f *failure
	if u.missed(now, errors.As(err, &f) && f.dialing) {
		l.stats.Up(u.device.ID, false)
		l.log.Warn("device does not answer", "device", u.device.ID, "reason", reason, "error", err)
		samples = append(samples, u.online(nowMS))
	}
	return samples
}
