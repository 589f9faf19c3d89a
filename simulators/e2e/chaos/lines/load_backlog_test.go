package lines_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/linshao/linshao/protocol/topic"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
	"github.com/linshao/linshao/simulators/mqttdial"
)

const (
	// perMessage is how many ticks one telemetry message holds: as much as
	// fits into 64 KiB.
	perMessage = 250
	// ahead is how many messages of a device wait for their PUBACK.
	ahead = 8
	// answer bounds the wait for a PUBACK; it only ends a test that would hang.
	answer = time.Minute
)

// backlog is what the devices of an estate measured while nobody listened: a
// value of each metric of each meter at every tick. It is made from its
// numbers, so that it can be told and sent at different times.
type backlog struct {
	meters, metrics, ticks int
	fromMS, stepMS         int64
}

// newBacklog spreads n samples over the last span.
func newBacklog(meters, metrics, n int, span time.Duration) backlog {
	ticks := n / meters / metrics
	step := span.Milliseconds() / int64(ticks)
	return backlog{meters, metrics, ticks, time.Now().UnixMilli() - step*int64(ticks), step}
}

func (b backlog) samples() int { return b.meters * b.metrics * b.ticks }

func (b backlog) at(tick int) int64 { return b.fromMS + b.stepMS*int64(tick) }

// value walks slowly, as temperatures and counters do.
func (b backlog) value(meter, metric, tick int) float64 {
	return float64(20+meter*10+metric) + float64((tick*7+metric)%40)/10
}

// tell writes the estate's part into told.ndjson.
func (b backlog) tell(w *rig.Town, e *rig.Estate) {
	at := w.Now()
	for m := range b.meters {
		for t := range b.ticks {
			for k := range b.metrics {
				w.TellSample(rig.Sample{
					At: at, Estate: e.ID, Device: rig.Meter(m), Metric: rig.Metric(k), TS: b.at(t), Value: b.value(m, k, t), Ack: true,
				})
			}
		}
	}
}

// message is the ticks [from, to) of one meter.
func (b backlog) message(meter, from, to int) []byte {
	out := make([]byte, 0, 60<<10)
	for t := from; t < to; t++ {
		out = append(out, map[bool]string{true: `[{"ts":`, false: `,{"ts":`}[t == from]...)
		out = strconv.AppendInt(out, b.at(t), 10)
		out = append(out, `,"values":{`...)
		for k := range b.metrics {
			if k > 0 {
				out = append(out, ',')
			}
			out = fmt.Appendf(out, `"m%d":`, k)
			out = strconv.AppendFloat(out, b.value(meter, k, t), 'f', -1, 64)
		}
		out = append(out, `}}`...)
	}
	return append(out, ']')
}

// feed publishes everything and returns once all of it is acknowledged.
func (b backlog) feed(t testing.TB, e *rig.Estate) {
	t.Helper()
	errs := make([]error, b.meters)
	var wg sync.WaitGroup
	for m := range b.meters {
		wg.Go(func() { errs[m] = b.feedMeter(t.Context(), e, m) })
	}
	wg.Wait()
	must(t, errors.Join(errs...))
}

func (b backlog) feedMeter(ctx context.Context, e *rig.Estate, m int) error {
	k, err := e.Dial(ctx, rig.Meter(m))
	if err != nil {
		return err
	}
	defer k.Close()
	var waiting []mqtt.Token
	for from := 0; from < b.ticks; from += perMessage {
		if len(waiting) == ahead {
			if err := acked(waiting[0]); err != nil {
				return err
			}
			waiting = waiting[1:]
		}
		to := topic.Device(rig.Meter(m)).Telemetry()
		waiting = append(waiting, k.Publish(to, 1, false, b.message(m, from, min(b.ticks, from+perMessage))))
	}
	for _, w := range waiting {
		if err := acked(w); err != nil {
			return err
		}
	}
	return nil
}

func acked(t mqtt.Token) error {
	if !t.WaitTimeout(answer) {
		return errors.New("no PUBACK")
	}
	return t.Error()
}

// publish sends one message of a device and waits for its PUBACK.
func publish(k *mqttdial.Link, topic, payload string) error {
	return acked(k.Publish(topic, 1, false, payload))
}

// eventually asks every few milliseconds until cond holds; the bound only ends
// a test that would hang.
func eventually(t testing.TB, what string, bound time.Duration, cond func() bool) time.Duration {
	t.Helper()
	began := time.Now()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		if time.Since(began) > bound {
			t.Fatalf("waited %s in vain for %s", bound, what)
		}
		<-tick.C
	}
	return time.Since(began)
}
