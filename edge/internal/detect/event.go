package detect

import (
	"time"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// eventRest is how long the condition of an event without an end lasts where
// its rule names no `after`: long enough that a device which repeats itself
// describes one condition.
const eventRest = time.Minute

// event: the device said that it happened. Every event counts, also while the
// condition is active already: the second break-in is news.
type event struct {
	rule   *device.Rule
	active bool
	// atMS and monoMS are the device's and the edge's time of the last one;
	// atMS is 0 after a Seed, which knows no more than that there was one.
	atMS, monoMS int64
}

var _ Notified = (*event)(nil)

func newEvent(r *device.Rule) *event { return &event{rule: r} }

func (d *event) Notify(dst []Change, e *telemetry.Event, now telemetry.Origin) []Change {
	if e.Name == d.rule.Event {
		d.active, d.atMS, d.monoMS = true, e.AtMS, now.MonoMS
		return append(dst, Change{Active: true, AtMS: e.AtMS})
	}
	// An end that is older than the last beginning was overtaken by it.
	if d.active && e.Name == d.rule.ClearEvent && e.AtMS >= d.atMS {
		d.active = false
		return append(dst, Change{AtMS: e.AtMS})
	}
	return dst
}

func (d *event) Tick(dst []Change, now telemetry.Origin) []Change {
	rest := d.rule.After
	if rest == 0 {
		rest = eventRest
	}
	if !d.active || d.rule.ClearEvent != "" && d.rule.After == 0 || now.MonoMS-d.monoMS < rest.Milliseconds() {
		return dst
	}
	d.active = false
	if d.atMS == 0 {
		return append(dst, Change{AtMS: now.EdgeMS})
	}
	return append(dst, Change{AtMS: d.atMS + rest.Milliseconds()})
}

func (d *event) Seed(now telemetry.Origin) {
	d.active, d.atMS, d.monoMS = true, 0, now.MonoMS
}

func (d *event) Active() bool { return d.active }

func (d *event) Why() ticket.Title {
	return ticket.Title{Code: "happened", Params: map[string]string{"event": d.rule.Event}}
}
