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
	// byDevice: atMS is the device's own time.
	byDevice bool
}

var _ Notified = (*event)(nil)

func newEvent(r *device.Rule) *event { return &event{rule: r} }

func (d *event) Notify(dst []Change, e *telemetry.Event, now telemetry.Origin) []Change {
	if e.Name == d.rule.Event {
		d.active, d.atMS, d.monoMS, d.byDevice = true, e.AtMS, now.MonoMS, ownTime(e)
		return append(dst, Change{Active: true, AtMS: e.AtMS})
	}
	if d.active && e.Name == d.rule.ClearEvent && !d.overtaken(e) {
		d.active = false
		return append(dst, Change{AtMS: e.AtMS})
	}
	return dst
}

// overtaken reports whether an end is older than the last beginning. Only two
// times of the device's own can tell: the edge's clock may have been set back
// between them, and the end of a condition must not get lost over that.
func (d *event) overtaken(end *telemetry.Event) bool {
	return d.byDevice && ownTime(end) && end.AtMS < d.atMS
}

func ownTime(e *telemetry.Event) bool { return e.DeviceMS != 0 && e.Marks&telemetry.ReceiveTime == 0 }

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
	d.active, d.atMS, d.monoMS, d.byDevice = true, 0, now.MonoMS, false
}

func (d *event) Active() bool { return d.active }

func (d *event) Why() ticket.Title {
	return ticket.Title{Code: "happened", Params: map[string]string{"event": d.rule.Event}}
}
