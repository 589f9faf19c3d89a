package uplink_test

import (
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/uplink"
	"github.com/linshao/linshao/edge/internal/vfs"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
)

// The outbox overflows while the connection is up and the cloud is slow: what
// was dropped is reported by the same connection.
func TestAGapIsReportedByTheConnectionInWhichItHappens(t *testing.T) {
	var unanswered []envelope.Envelope
	slow := true // guarded by the cloud's mu, as unanswered
	c := newCloud(t, func(n int, e envelope.Envelope) *envelope.Receipt {
		if slow {
			unanswered = append(unanswered, e)
			return nil
		}
		return stored(n, e)
	})
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	box, err := outbox.Open(vfs.NewMem(), "small", outbox.Options{
		MaxBytes: 1 << 20, Clock: clock.NewSystem(), Log: log, MinFree: -1, ReserveBytes: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	r := newRig(t, c, func(o *uplink.Options) { o.Source, o.Resend = box, time.Minute })
	r.outbox = box
	t.Cleanup(func() {
		if err := box.Close(); err != nil {
			t.Error(err)
		}
	})
	r.run(t)
	c.until(r.uplink.Connected)
	for n := 0; box.Stats().Dropped["dropped_full"] == 0; n++ {
		s := make([]telemetry.Sample, 1000)
		for i := range s {
			k := telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "noise"}
			s[i] = telemetry.Sample{Key: k, AtMS: int64(1000*n + i), EdgeMS: int64(1000*n + i), Value: rand.Float64()}
		}
		if err := box.Append(t.Context(), nil, []envelope.Record{{Origin: telemetry.Origin{EdgeMS: int64(1000 * n), ClockTrusted: true}, Samples: s}}); err != nil {
			t.Fatal(err)
		}
	}
	c.mu.Lock()
	slow = false
	for _, e := range unanswered {
		b, err := envelope.EncodeReceipt(*stored(0, e))
		if err == nil {
			err = c.broker.Publish(edge.Receipt(), b, 1, false)
		}
		if err != nil {
			t.Error(err)
		}
	}
	c.mu.Unlock()
	c.until(func() bool { return r.empty() && box.Stats().Samples.Missing == 0 })
	c.mu.Lock()
	defer c.mu.Unlock()
	told := map[string]uint64{}
	for _, e := range c.heard {
		for _, g := range e.Missing {
			told[g.Reason] += uint64(g.Last-g.First) + 1
		}
	}
	if told["dropped_full"] == 0 || len(c.hellos) != 1 {
		t.Errorf("told of %v in %d connections", told, len(c.hellos))
	}
}
