package ingest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/topic"
)

// Options of an Ingest. All but Heard and Latest are required.
type Options struct {
	InTx      InTx
	Series    Appender
	Stored    Reader
	Latest    Latest
	Publisher Publisher
	Clock     clock.Clock
	Log       *slog.Logger
	Metrics   prometheus.Registerer
	// Heard is told of every sign of life of an edge. It must not block.
	Heard func(estate, edge string, atMS int64)
}

// Ingest takes what edges send. Make it with New and keep Run running.
type Ingest struct {
	o       Options
	metrics *metrics
	alarm   *lane
	samples *lane
	hellos  hellos
}

// ErrBusy: there is no room for the message, and it was not taken. The edge
// sends it again when no Receipt comes.
var ErrBusy = errors.New("ingest is busy")

// Memory bounds. An honest edge has at most limit.MaxWindow Envelopes on the
// way; the share lets it send them all at an ordinary size.
const (
	samplesBytes = 64 << 20
	samplesShare = 8 << 20
	alarmBytes   = 16 << 20
	alarmShare   = 2 << 20
)

// New makes an Ingest; nothing happens before Run.
func New(o Options) *Ingest {
	i := &Ingest{o: o, metrics: newMetrics(o.Metrics), hellos: newHellos()}
	i.alarm = newLane(i, newQueue(alarmBytes, alarmShare), false)
	i.samples = newLane(i, newQueue(samplesBytes, samplesShare), true)
	return i
}

// Run commits until ctx ends. What is not committed then has no Receipt, and
// comes again.
func (i *Ingest) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { i.alarm.run(ctx) })
	wg.Go(func() { i.samples.run(ctx) })
	wg.Wait()
	return nil
}

// message is an Envelope as it came.
type message struct {
	from    topic.Uplink
	lane    envelope.Lane
	payload []byte
	since   time.Duration // monotonic
	// receivedMS is when it came, by the cloud's wall clock.
	receivedMS int64
}

// Receive takes one message of an edge, known to come from the edge that the
// topic names. It keeps payload.
//
// A hello is answered when it has been saved: an error says that the
// connection it came by must be closed. An Envelope is only queued; its answer
// is the Receipt. Where there is no room an alarm waits until ctx ends, and
// samples are not taken, with ErrBusy: alarms come by the same connection and
// must not wait behind them.
func (i *Ingest) Receive(ctx context.Context, name string, payload []byte) error {
	from, leaf, err := topic.ParseUplink(name)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	m := message{from: from, payload: payload, since: i.o.Clock.Mono(), receivedMS: clock.NowMS(i.o.Clock)}
	if i.o.Heard != nil {
		i.o.Heard(from.Estate, from.Edge, m.receivedMS)
	}
	switch leaf {
	case topic.UpHello:
		return i.hello(ctx, from, payload)
	case topic.UpAlarm:
		m.lane = envelope.LaneAlarm
	case topic.UpLive:
		m.lane = envelope.LaneLive
	case topic.UpBackfill:
		m.lane = envelope.LaneBackfill
	default:
		return fmt.Errorf("receive: %s is not for the cloud", name)
	}
	if len(payload) > limit.MaxEnvelopeBytes {
		i.count(m, resultUnreadable)
		return fmt.Errorf("receive: %d bytes from %s/%s: %w", len(payload), from.Estate, from.Edge, envelope.ErrTooLarge)
	}
	chaos.At("ingest.receive.before")
	if m.lane == envelope.LaneAlarm {
		return i.alarm.queue.put(ctx, m)
	}
	if !i.samples.queue.offer(m) {
		i.count(m, resultBusy)
		return ErrBusy
	}
	chaos.At("ingest.receive.after")
	return nil
}

func (i *Ingest) count(m message, result string) {
	i.metrics.envelopes.WithLabelValues(string(m.lane), result).Inc()
}
