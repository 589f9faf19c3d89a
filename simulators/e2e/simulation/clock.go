package simulation

import (
	"hash/fnv"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	edge "github.com/linshao/linshao/edge/app"
	"github.com/linshao/linshao/protocol/kit/backoff"
	"github.com/linshao/linshao/protocol/kit/clock"
)

// epoch is how far the wall clocks are ahead of a bubble's, which begins with
// the year 2000: in the simulation it is the end of 2026.
const epoch = 26*365*24*time.Hour + 300*24*time.Hour

// wall is the wall clock of one machine. It outlives the daemon.
type wall struct{ off atomic.Int64 }

func (w *wall) now() time.Time { return time.Now().Round(0).Add(epoch + time.Duration(w.off.Load())) }

// jump moves the clock against the true time.
func (w *wall) jump(d time.Duration) { w.off.Add(int64(d)) }

// set puts the clock right, but for an error of d.
func (w *wall) set(d time.Duration) { w.off.Store(int64(d)) }

// runClock is the clock of one run of a daemon.
type runClock struct {
	wall    *wall
	started time.Time
	seed    uint64
	boot    string
	vouched atomic.Bool
	fires   *atomic.Int64
}

var (
	_ edge.Clock     = (*runClock)(nil)
	_ backoff.Random = (*runClock)(nil)
)

func newRunClock(w *wall, seed uint64, name string, fires *atomic.Int64) *runClock {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	seed ^= h.Sum64()
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // reproducible by intent
	var id uuid.UUID
	for i := range id {
		id[i] = byte(r.Uint32())
	}
	return &runClock{wall: w, started: time.Now(), seed: seed, boot: id.String(), fires: fires}
}

func (c *runClock) Now() time.Time      { return c.wall.now() }
func (c *runClock) Mono() time.Duration { return time.Since(c.started) }
func (c *runClock) Boot() string        { return c.boot }
func (c *runClock) Trusted() bool       { return true }
func (c *runClock) Vouch()              { c.vouched.Store(true) }

// Int64N depends on the instant alone, so that one wait more leaves the others
// as they were.
func (c *runClock) Int64N(n int64) int64 {
	return rand.New(rand.NewPCG(c.seed, uint64(c.Mono()))).Int64N(n) //nolint:gosec // reproducible by intent
}

func (c *runClock) NewTimer(d time.Duration) clock.Timer {
	c.fires.Add(1)
	return &runTimer{time.NewTimer(d), c.fires}
}

// runTimer counts how often it was set.
type runTimer struct {
	t     *time.Timer
	fires *atomic.Int64
}

func (t *runTimer) C() <-chan time.Time { return t.t.C }
func (t *runTimer) Stop()               { t.t.Stop() }
func (t *runTimer) Reset(d time.Duration) {
	t.fires.Add(1)
	t.t.Reset(d)
}
