package mqtt

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/protocol/telemetry"
)

// wrongClock is a device's clock: years off, stuck, jumping, running backwards,
// or no clock at all.
type wrongClock struct {
	r      *rand.Rand
	offMS  int64
	kind   int
	stuck  int64
	device string
}

// says is the ts of a message, as JSON.
func (c *wrongClock) says(nowMS int64) string {
	switch c.kind {
	case 0: // right, or wrong by as much for ever
		return fmt.Sprint(nowMS + c.offMS)
	case 1: // jumps, by seconds to decades
		if c.r.IntN(5) == 0 {
			c.offMS = c.r.Int64N(1<<c.r.IntN(42)+1) * int64(1-2*c.r.IntN(2))
		}
		return fmt.Sprint(nowMS + c.offMS)
	case 2: // stuck
		return fmt.Sprint(c.stuck)
	case 3: // backwards
		return fmt.Sprint(2*c.stuck - nowMS)
	default: // no time at all
		return []string{
			`0`, `-1`, `null`, `"soon"`, `1e300`, `-1e300`, `9223372036854775807`, `9007199254740993`, `1.5`, `{}`, `[]`, `true`,
			fmt.Sprint(uint64(math.MaxUint64)), fmt.Sprint(nowMS / 1000),
		}[c.r.IntN(14)]
	}
}

// Whatever a device says about the time: what is stored lies within the bounds
// of [P-5.3] around the edge's, what the device said is kept, marks tell what
// was done, and a series' times increase.
func TestNoDeviceClockReachesTheStoresUnclamped(t *testing.T) {
	t.Parallel()
	for seed := range uint64(300) {
		r := rand.New(rand.NewPCG(seed, 9))
		c := newCodec(device.Device{ID: "gate-1", Kind: "access-gate"})
		var order flow.Order
		now := int64(1_800_000_000_000)
		clock := wrongClock{r: r, kind: int(seed % 5), stuck: now + r.Int64N(600_000) - 300_000, offMS: r.Int64N(1 << r.IntN(42)), device: "gate-1"}
		newest, last := int64(math.MinInt64), now
		for n := range 300 {
			now += r.Int64N(1 << r.IntN(12))
			payload := fmt.Sprintf(`{"ts": %s, "values": {"motor_temp": %d}}`, clock.says(now), n)
			samples, _, err := c.telemetry([]byte(payload), now)
			if err != nil {
				t.Fatalf("seed %d: %s: %v", seed, payload, err)
			}
			order.Take(samples)
			s := samples[0]
			slack := int64(n) // a nudge is a millisecond behind the one before
			if s.AtMS < now-telemetry.OldestAgeMS || s.AtMS > now+telemetry.NewestAheadMS+slack {
				t.Fatalf("seed %d: %s is stored %d ms from now", seed, payload, s.AtMS-now)
			}
			if s.EdgeMS != now {
				t.Fatalf("seed %d: taken at %d, not %d", seed, s.EdgeMS, now)
			}
			usable := s.DeviceMS != 0 && s.DeviceMS >= now-telemetry.OldestAgeMS && s.DeviceMS <= now+telemetry.NewestAheadMS
			if usable == s.Marks.Has(telemetry.ReceiveTime) {
				t.Fatalf("seed %d: %s has marks %b", seed, payload, s.Marks)
			}
			said := now
			if usable {
				said = s.DeviceMS
			}
			if moved := s.AtMS != said; moved != s.Marks.Has(telemetry.Nudged) {
				t.Fatalf("seed %d: %s is at %d, marks %b", seed, payload, s.AtMS, s.Marks)
			}
			if s.Marks.Has(telemetry.Historical) {
				continue
			}
			// A clock that was ahead of the edge's and is put right starts anew,
			// and so does one that was set back.
			if s.AtMS <= newest && newest <= now && now-last < 30_000 {
				t.Fatalf("seed %d: %s goes back by %d ms", seed, payload, newest-s.AtMS)
			}
			newest, last = s.AtMS, now
		}
	}
}
