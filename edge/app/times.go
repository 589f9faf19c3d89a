package app

import (
	"fmt"
	"log/slog"
	"math"
	"sync/atomic"
	"time"

	"github.com/linshao/linshao/edge/internal/health"
	"github.com/linshao/linshao/edge/internal/skew"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
)

// times is what the edge knows about its clock.
type times struct {
	clock Clock
	skew  skew.Estimate
	boots *skew.Boots
	log   *slog.Logger
	// noted: this boot is in boots. Only measured uses it, and calls come one
	// at a time.
	noted bool
	// failed: noting did, and that was said.
	failed bool
	// jumps counts how often the wall clock was set.
	jumps atomic.Int64
}

func newTimes(c Clock, disk Disk, folder string, log *slog.Logger) *times {
	boots, err := skew.OpenBoots(disk, folder)
	if err != nil {
		log.Warn("what was recorded by a wrong clock before this start stays marked", "err", err)
	}
	return &times{clock: c, boots: boots, log: log}
}

// measured takes what the cloud's clock said. A clock that agrees with it may
// be believed.
func (t *times) measured(sent, got time.Duration, cloudMS int64) {
	t.skew.Measured(sent, got, cloudMS)
	skewMS, errorMS, _ := t.now()
	if !t.noted {
		t.note()
	}
	if max(skewMS, -skewMS)+errorMS < telemetry.SkewBoundMS {
		t.clock.Vouch()
	}
}

// note remembers the measurement for the records that were made before it. A
// disk that has no room is asked again at the next one.
func (t *times) note() {
	atStart, errorMS, _ := t.skew.Cloud(0)
	err := t.boots.Note(t.clock.Boot(), atStart, errorMS)
	if t.noted = err == nil; err != nil && !t.failed {
		t.failed = true
		t.log.Warn("what was recorded so far is not put right yet", "err", err)
	}
}

// jumped takes that the wall clock was set by d while the edge runs. Nobody
// knows which of the two times is right, so the clock must be vouched for anew.
func (t *times) jumped(d time.Duration) {
	t.jumps.Add(1)
	t.log.Warn("the wall clock was set", "by", d)
	if c, ok := t.clock.(interface{ Doubt() }); ok {
		c.Doubt()
	}
}

// now is how far the wall clock is ahead of the cloud's, and by how much that
// may be wrong; false while nothing was measured.
func (t *times) now() (skewMS, errorMS int64, known bool) {
	cloudMS, errorMS, known := t.skew.Cloud(t.clock.Mono())
	return clock.NowMS(t.clock) - cloudMS, errorMS, known
}

// state is what the edge's page shows.
func (t *times) state() health.Clock {
	skewMS, errorMS, known := t.now()
	c := health.Clock{Trusted: t.clock.Trusted(), SkewKnown: known, Jumps: t.jumps.Load()}
	if known {
		c.SkewMS, c.ErrorMS = skewMS, errorMS
	}
	return c
}

// wrong says what somebody beside the edge should mend, if anything.
func (t *times) wrong() string {
	c := t.state()
	switch {
	case c.SkewKnown && max(c.SkewMS, -c.SkewMS)-c.ErrorMS > telemetry.SkewBoundMS:
		return fmt.Sprintf("时钟与云端相差 %.1f 秒,时间由云端校正", float64(c.SkewMS)/1000)
	case !c.Trusted:
		return "时钟未同步"
	}
	return ""
}

func (t *times) skewSeconds() float64 {
	if c := t.state(); c.SkewKnown {
		return float64(c.SkewMS) / 1000
	}
	return math.NaN()
}

// clockGauges are the metrics of the clock.
func (e *edge) clockGauges() {
	e.meter.Gauge("linshao_edge_clock_trusted", "1 while the wall clock may be believed.", func() float64 {
		if e.clock.Trusted() {
			return 1
		}
		return 0
	})
	e.meter.Gauge("linshao_edge_clock_skew_seconds", "The edge's clock minus the cloud's; NaN while it was not measured.", e.times.skewSeconds)
	e.meter.Gauge("linshao_edge_clock_jumps", "How often the wall clock was set since the start.", func() float64 {
		return float64(e.times.jumps.Load())
	})
}
