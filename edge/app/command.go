package app

import (
	"maps"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/limit"
)

// mostCommands bounds the Commands remembered.
const mostCommands = 10_000

// orders sees to it that a Command runs at most once and never late [P-7.1],
// across restarts and without a disk: a Command that was given before this
// start may have run then, so it does not run now. Both its times are of the
// cloud's clock, and so is the time they are compared with. Calls come one at a
// time.
type orders struct {
	// taken are the Commands that were passed on, by id, until they expire.
	taken map[string]int64
}

// take reports why c must not run, or, by the edge's clock, when it expires.
func (o *orders) take(c envelope.Command, t *times) (expiresMS int64, why string) {
	startedMS, _, _ := t.skew.Cloud(0)
	nowMS, errorMS, known := t.skew.Cloud(t.clock.Mono())
	maps.DeleteFunc(o.taken, func(_ string, expires int64) bool { return nowMS-errorMS >= expires })
	_, again := o.taken[c.ID]
	switch {
	case !known:
		return 0, "clock_unknown"
	case c.IssuedMS == 0:
		return 0, "undated"
	case c.ExpiresMS-c.IssuedMS > limit.MaxCommandLifeMS:
		return 0, "lives_too_long"
	case nowMS+errorMS >= c.ExpiresMS:
		return 0, "expired"
	case c.IssuedMS <= startedMS+errorMS:
		return 0, "before_this_start"
	case again:
		return 0, "again"
	case len(o.taken) >= mostCommands:
		return 0, "too_many"
	}
	if o.taken == nil {
		o.taken = map[string]int64{}
	}
	o.taken[c.ID] = c.ExpiresMS
	return clock.NowMS(t.clock) + c.ExpiresMS - nowMS, ""
}
