package uplink_test

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/uplink"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
)

// poisoned is a Source one of whose records can't be put on the wire.
type poisoned struct {
	uplink.Source
	bad envelope.Sequence
}

func (p poisoned) Lease(log envelope.Log, from, to uint64, maxBytes int) (envelope.Envelope, uint64, error) {
	e, next, err := p.Source.Lease(log, from, to, maxBytes)
	for _, r := range e.Sequences {
		if log == envelope.Samples && r.First <= p.bad && p.bad <= r.Last {
			e.Samples = append(slices.Clone(e.Samples), telemetry.Sample{Key: telemetry.SeriesKey{Metric: "\xff"}})
		}
	}
	return e, next, err
}

// One record that can't be sent costs that one, not those in its Envelope.
func TestARecordThatCannotBeSentIsLostAlone(t *testing.T) {
	c := newCloud(t, stored)
	r := newRig(t, c, func(o *uplink.Options) { o.Source = poisoned{o.Source, 3} })
	r.samples(t, 0, 6)
	r.run(t)
	c.until(r.empty)
	c.mu.Lock()
	defer c.mu.Unlock()
	if got := c.values(); !slices.Equal(got, []float64{0, 1, 3, 4, 5}) {
		t.Errorf("arrived: %v", got)
	}
	var gaps []envelope.Gap
	for _, e := range c.heard {
		gaps = append(gaps, e.Missing...)
	}
	if len(gaps) != 1 || gaps[0].Reason != "damaged" || gaps[0].Range != (envelope.Range{First: 3, Last: 3}) {
		t.Errorf("reported as missing: %+v", gaps)
	}
}

// What the cloud cannot answer yet, whatever its reason, holds up neither what
// comes behind it nor the connection.
func TestWhatIsNotAnsweredHoldsUpNothingElse(t *testing.T) {
	withheld := make(chan struct{}, 100)
	c := newCloud(t, func(n int, e envelope.Envelope) *envelope.Receipt {
		if len(e.Samples) > 100 {
			withheld <- struct{}{}
			return nil
		}
		return stored(n, e)
	})
	r := newRig(t, c, func(o *uplink.Options) { o.Resend = time.Second })
	var many []telemetry.Sample
	for i := range 4000 { // more than the line may carry at first
		k := telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "noise"}
		many = append(many, telemetry.Sample{Key: k, AtMS: int64(i), EdgeMS: int64(i), Value: rand.Float64()})
	}
	if err := r.outbox.Append(t.Context(), nil, []envelope.Record{{Samples: many}}); err != nil {
		t.Fatal(err)
	}
	r.run(t)
	for i := range 4 { // sent more often than before a silent connection is given up
		<-withheld
		r.samples(t, i, 1)
		c.until(func() bool { return len(c.heard) > 0 && r.outbox.Stats().Samples.Records == 1 })
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.hellos) != 1 {
		t.Errorf("%d connections", len(c.hellos))
	}
}

// flaky is a Source that can't be read as often as fails says.
type flaky struct {
	uplink.Source
	fails *atomic.Int32
}

func (f flaky) Lease(log envelope.Log, from, to uint64, maxBytes int) (envelope.Envelope, uint64, error) {
	if log == envelope.Samples && from == 1 && f.fails.Add(-1) >= 0 {
		return envelope.Envelope{}, from, errors.New("input/output error")
	}
	return f.Source.Lease(log, from, to, maxBytes)
}

// What can't be read when it is to be sent again stays owed, and costs neither
// the connection nor the alarms.
func TestADiskErrorWhileSendingAgain(t *testing.T) {
	var fails atomic.Int32
	c := newCloud(t, func(n int, e envelope.Envelope) *envelope.Receipt {
		if n == 0 {
			fails.Store(1)
			return nil
		}
		return stored(n, e)
	})
	r := newRig(t, c, func(o *uplink.Options) { o.Source = flaky{o.Source, &fails} })
	r.samples(t, 0, 3)
	r.run(t)
	c.until(r.empty)
	c.mu.Lock()
	defer c.mu.Unlock()
	if fails.Load() >= 0 {
		t.Error("the disk was not asked again")
	}
	if len(c.hellos) != 1 {
		t.Errorf("%d connections", len(c.hellos))
	}
}

// A connection that is given up is not left politely: the cloud would go on
// taking the edge for online.
func TestGivingAConnectionUpSendsTheWill(t *testing.T) {
	c := newCloud(t, func(int, envelope.Envelope) *envelope.Receipt { return nil })
	r := newRig(t, c, nil)
	r.alarm(t, "a1")
	r.run(t)
	c.until(func() bool { return slices.Contains(c.said, "offline") })
	c.until(func() bool { return len(c.hellos) >= 2 && c.said[len(c.said)-1] == "online" })
	if r.empty() {
		t.Error("settled without a receipt")
	}
}

func TestStoppingSaysOffline(t *testing.T) {
	c := newCloud(t, stored)
	r := newRig(t, c, nil)
	stop := r.run(t)
	c.until(r.uplink.Connected)
	stop()
	if !slices.Equal(c.said, []string{"online", "offline"}) {
		t.Errorf("said %q", c.said)
	}
}

// A backlog that fills the line does not keep the last live samples from being
// taken along.
func TestStoppingAmidABacklogTakesTheLastSamplesAlong(t *testing.T) {
	c := newCloud(t, func(n int, e envelope.Envelope) *envelope.Receipt {
		if e.Lane == envelope.LaneBackfill {
			return nil
		}
		return stored(n, e)
	})
	r := newRig(t, c, func(o *uplink.Options) { o.Resend = 0 }) // the default: not within this story
	var old []telemetry.Sample
	for i := range 4000 {
		k := telemetry.SeriesKey{Device: "lift-1", Kind: "elevator", Metric: "noise"}
		old = append(old, telemetry.Sample{Key: k, AtMS: int64(i), EdgeMS: int64(i), Value: rand.Float64()})
	}
	if err := r.outbox.Append(t.Context(), nil, []envelope.Record{{Samples: old}}); err != nil {
		t.Fatal(err)
	}
	stop := r.run(t)
	c.until(func() bool { return len(c.heard) == 1 })
	r.samples(t, 7, 1)
	stop()
	if last := c.heard[len(c.heard)-1]; last.Lane != envelope.LaneLive || len(last.Samples) != 1 {
		t.Errorf("%d envelopes, the last of lane %s", len(c.heard), last.Lane)
	}
}
