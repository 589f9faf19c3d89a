package lines_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/protocol/topic"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
)

// What R7 promises, in ms, and samples per second.
const (
	localWithin  = 1000
	alarmsWithin = 5000
	freshWithin  = 2000
	drainFloor   = 20_000
)

// liveMeter is the device that goes on measuring while the backlog drains.
const liveMeter = 5

// outage is 72 hours without a WAN, as one edge's disk has them.
type outage struct {
	r      *row.Row
	data   string // the edge's data folder
	log    backlog
	alarms []rig.Alarm
}

// The WAN is cut for 72 hours and comes back: alarms first, then the present,
// then a million samples of the past, and each of them once.
func TestChaosR7(t *testing.T) {
	r := row.Begin(t, "R7", "72 h without a WAN")
	samples, alarms, times := 20_000, 20, 1
	if r.Full() {
		samples, alarms, times = 1_000_000, 500, 20
	}
	o := suffer(t, r, samples, alarms)
	for i := range r.N(times, times) {
		if !t.Run(fmt.Sprintf("reconnect %d", i), o.reconnect) {
			return
		}
	}
}

func (o *outage) town(t *testing.T) (*rig.Town, *rig.Estate) {
	t.Helper()
	town := rig.New(t, rig.Options{Meters: liveMeter + 1, Metrics: 10, Lifts: (len(o.alarms) + 1) / 2, Gates: (len(o.alarms) + 1) / 2})
	return town, town.Estates[0]
}

// suffer lives through the outage and keeps what the edge's disk has.
func suffer(t *testing.T, r *row.Row, samples, alarms int) *outage {
	t.Helper()
	o := &outage{r: r, data: t.TempDir(), log: newBacklog(liveMeter, 10, samples, 72*time.Hour), alarms: make([]rig.Alarm, alarms)}
	_, e := o.town(t)
	e.WAN.Cut()
	e.Edge.Start()
	ready(t, e)
	began := time.Now()
	o.log.feed(t, e)
	r.Observe("feed_per_s", float64(o.log.samples())/time.Since(began).Seconds())
	for i := range o.alarms {
		o.alarms[i] = o.raise(t, e, i)
	}
	e.Edge.Stop()
	must(t, os.CopyFS(o.data, os.DirFS(e.Data)))
	return o
}

// raise has something happen and waits for it on the edge's own page.
func (o *outage) raise(t *testing.T, e *rig.Estate, i int) rig.Alarm {
	t.Helper()
	a := rig.Alarm{Estate: e.ID, Device: e.Lifts()[i/2], Event: "passenger_trapped", Fault: "entrapment", Ack: true}
	if i%2 == 1 {
		a.Device, a.Event, a.Fault = e.Gates()[i/2], "door_forced_open", "door_forced"
	}
	a.TS = o.log.at(o.log.ticks * i / len(o.alarms))
	k, err := e.Dial(t.Context(), a.Device)
	must(t, err)
	defer k.Disconnect(0)
	began := time.Now()
	must(t, publish(k, topic.Device(a.Device).Events(), fmt.Sprintf(`{"ts":%d,"event":%q}`, a.TS, a.Event)))
	eventually(t, "the ticket on the edge's page", bound, func() bool {
		return strings.Contains(get(e.Edge.Spec.URL+"/api/v1/tickets"), `"`+a.Device+`"`)
	})
	ms := float64(time.Since(began).Microseconds()) / 1000
	o.r.Observe("local_ms", ms)
	if ms > localWithin && o.r.Full() {
		o.r.Violation("the local ticket of %s took %.0f ms", a.Device, ms)
	}
	return a
}

// reconnect gives a copy of the disk its WAN back.
func (o *outage) reconnect(t *testing.T) {
	town, e := o.town(t)
	must(t, os.CopyFS(e.Data, os.DirFS(o.data)))
	e.WAN.Cut()
	town.Start()
	o.log.tell(town, e)
	before := waiting(e.Edge, "samples")
	began := o.heal(t, town, e)
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	wg.Go(func() { o.alarmsArrive(ctx, town, e, began, before) })
	// What was measured before the connection began belongs to the past.
	eventually(t, "the cloud to take the hello", bound, func() bool { return metrics(e.Edge)["linshao_edge_uplink_connected"] == 1 })
	fresh := o.measure(ctx, &wg, town, e)
	eventually(t, "the backlog to drain", 3*time.Minute, func() bool { return waiting(e.Edge, "samples") == 0 && waiting(e.Edge, "alarm") == 0 })
	took := time.Since(began).Seconds()
	cancel()
	wg.Wait()
	o.r.Observe("drain_s", took)
	o.r.Observe("drain_per_s", float64(o.log.samples())/took)
	o.r.Count("fresh", fresh())
	if o.r.Full() && float64(o.log.samples())/took < drainFloor {
		o.r.Violation("%d samples took %.1f s", o.log.samples(), took)
	}
	v := town.Judge(o.r)
	if v.Acked < o.log.samples() || v.Tickets < len(o.alarms) {
		t.Errorf("too little was judged: %d samples, %d tickets", v.Acked, v.Tickets)
	}
}

// heal ends the cut and returns when the edge was back.
func (o *outage) heal(t *testing.T, town *rig.Town, e *rig.Estate) time.Time {
	t.Helper()
	n := e.WAN.Opened()
	healed := time.Now()
	e.WAN.Heal()
	eventually(t, "the edge to come back", time.Minute, func() bool { return e.WAN.Opened() > n })
	o.r.Observe("reconnect_ms", float64(time.Since(healed).Milliseconds()))
	at := town.Now()
	for _, a := range o.alarms {
		a.At = at
		town.TellAlarm(a)
	}
	return time.Now()
}

// alarmsArrive waits for every alarm's ticket in the cloud, and looks how much
// of the backlog still waits then.
func (o *outage) alarmsArrive(ctx context.Context, town *rig.Town, e *rig.Estate, began time.Time, before float64) {
	for n := 0; n < len(o.alarms); {
		all, err := town.API.Tickets(ctx, "estate="+e.ID)
		if ctx.Err() != nil {
			o.r.Violation("the backlog overtook alarms: %d of %d were there", n, len(o.alarms))
			return
		}
		if err == nil {
			n = len(all)
		}
	}
	ms := float64(time.Since(began).Milliseconds())
	o.r.Observe("alarms_ms", ms)
	o.r.Observe("backlog_left_percent", 100*waiting(e.Edge, "samples")/before)
	if ms > alarmsWithin && o.r.Full() {
		o.r.Violation("the alarms took %.0f ms", ms)
	}
}

// measure has a device report twice a second and looks when the cloud shows
// it. What it returns is how often that was.
func (o *outage) measure(ctx context.Context, wg *sync.WaitGroup, town *rig.Town, e *rig.Estate) func() int {
	device := rig.Meter(liveMeter)
	n := 0
	wg.Go(func() {
		k, err := e.Dial(ctx, device)
		if err != nil {
			return
		}
		defer k.Close()
		pace := time.NewTicker(500 * time.Millisecond)
		defer pace.Stop()
		for {
			s := rig.Sample{At: town.Now(), Estate: e.ID, Device: device, Metric: rig.Metric(0), TS: time.Now().UnixMilli(), Value: float64(n)}
			town.TellSample(s)
			began := time.Now()
			if publish(k, topic.Device(device).Telemetry(), fmt.Sprintf(`{"ts":%d,"values":{"m0":%d}}`, s.TS, n)) != nil {
				return
			}
			s.Ack = true
			town.TellSample(s)
			for !shows(ctx, town, s) {
				if ctx.Err() != nil {
					return
				}
			}
			ms := float64(time.Since(began).Milliseconds())
			o.r.Observe("fresh_ms", ms)
			if ms > freshWithin && o.r.Full() {
				o.r.Violation("a live sample took %.0f ms", ms)
			}
			n++
			select {
			case <-pace.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() int { return n }
}

// shows asks the cloud whether a sample is the latest of its metric.
func shows(ctx context.Context, town *rig.Town, s rig.Sample) bool {
	points, err := town.API.Series(ctx, s.Estate+":"+s.Device, s.Metric, s.TS, s.TS+1)
	return err == nil && len(points) == 1 && *points[0].Value == s.Value
}

func ready(t *testing.T, e *rig.Estate) {
	t.Helper()
	_, err := e.Edge.Ready(bound)
	must(t, err)
}

func get(url string) string {
	resp, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, _ := io.ReadAll(resp.Body) // cut short: not what was waited for
	return string(b)
}
