package app

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/health"
	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/clock"
)

// sources feed the edge's page.
func (e *edge) sources() health.Sources {
	return health.Sources{
		Conditions: e.conditions, Tickets: e.flow.Open, Devices: e.devices, Outbox: e.waiting, Quarantine: e.quarantine,
	}
}

// conditions are what somebody beside the edge should know.
func (e *edge) conditions() map[string]string {
	bad := map[string]string{}
	switch {
	case e.uplink == nil:
		bad["uplink"] = "未配置云端,独立运行"
	case !e.uplink.Connected():
		bad["uplink"] = "未连接云端,数据保存在本机"
		if w, _ := e.uplink.Welcome(); w.Refused != "" {
			bad["uplink"] = "云端拒绝本网关:" + w.Refused
		}
	}
	st := e.outbox.Stats()
	if st.Free < int64(e.plan.Outbox.MinFree) {
		bad["disk"] = "磁盘空间不足"
	}
	lost := uint64(0)
	for _, n := range st.Dropped {
		lost += n
	}
	if lost > 0 {
		bad["outbox"] = fmt.Sprintf("启动以来有 %d 条记录未能保留", lost)
	}
	if why := e.times.wrong(); why != "" {
		bad["clock"] = why
	}
	return bad
}

func (e *edge) devices() []health.Device {
	out := make([]health.Device, 0, len(e.plan.Compiled))
	for _, d := range e.plan.Compiled {
		v := health.Device{ID: d.ID, Kind: d.Kind, Location: d.Location, Values: []health.Value{}}
		for _, s := range e.flow.Latest(d.ID) {
			p, _ := d.Profile.Point(s.Key.Metric)
			v.Values = append(v.Values, health.ValueOf(s, p.Unit, wordOf(p, s.Value)))
		}
		out = append(out, v)
	}
	return out
}

func wordOf(p device.Point, v float64) string { return p.Enum[v] }

func (e *edge) waiting() health.Outbox {
	st := e.outbox.Stats()
	o := health.Outbox{Bytes: st.Bytes, FreeBytes: st.Free, Epoch: st.Epoch}
	for _, w := range []outbox.Waiting{st.Alarm, st.Samples} {
		o.Lanes = append(o.Lanes, health.Lane{Lane: string(w.Log), Records: int64(w.Records), OldestMS: w.OldestMS, Missing: int64(w.Missing)})
	}
	if e.uplink != nil {
		o.Connected = e.uplink.Connected()
		w, _ := e.uplink.Welcome()
		o.Cloud = health.Cloud{Schema: w.Schema, Capabilities: w.Capabilities, Refused: w.Refused}
	}
	o.Dropped, o.Clock = losses(st), e.times.state()
	o.SkewMS = o.Clock.SkewMS
	return o
}

func (e *edge) quarantine() []health.Quarantined {
	out := []health.Quarantined{}
	d := e.mqtt.Load()
	if d == nil {
		return out
	}
	for _, r := range d.Quarantine().List() {
		out = append(out, health.Quarantined{AtMS: r.AtMS, Device: r.Device, Topic: r.Topic, Reason: r.Reason, Payload: r.Payload})
	}
	return out
}

// lossReasons are those for which the outbox gives records up.
var lossReasons = [...]string{"dropped_full", "dropped_age", "damaged", "lost"}

// gauges are brought up to date at every scrape.
func (e *edge) gauges() {
	var now atomic.Pointer[outbox.Stats]
	e.meter.OnScrape(func() {
		st := e.outbox.Stats()
		now.Store(&st)
		totals := map[string]uint64{}
		for _, reason := range lossReasons {
			totals[reason] = st.Dropped[reason]
		}
		e.meter.DroppedSince(totals)
	})
	e.meter.Gauge("linshao_edge_tickets_open", "Tickets that somebody must act on.", func() float64 { return float64(len(e.flow.Open())) })
	e.meter.Gauge("linshao_edge_outbox_bytes", "Size of the outbox on disk.", func() float64 { return float64(now.Load().Bytes) })
	e.meter.Gauge("linshao_edge_uplink_connected", "1 while the cloud is reached.", func() float64 {
		if e.uplink != nil && e.uplink.Connected() {
			return 1
		}
		return 0
	})
	e.clockGauges()
	for _, lane := range []envelope.Lane{envelope.LaneAlarm, envelope.LaneLive, envelope.LaneBackfill} {
		e.meter.Gauge("linshao_edge_outbox_records", "Records that wait for the cloud.", func() float64 {
			n, _ := e.waits(lane)
			return float64(n)
		}, "lane", string(lane))
		e.meter.Gauge("linshao_edge_outbox_oldest_seconds", "Age of the oldest record that waits.", func() float64 {
			_, oldest := e.waits(lane)
			if oldest == 0 {
				return 0
			}
			return time.Duration(max(clock.NowMS(e.clock)-oldest, 0) * int64(time.Millisecond)).Seconds()
		}, "lane", string(lane))
	}
}

// waits is what waits to travel in a lane. While nothing travels, samples are
// backfill.
func (e *edge) waits(lane envelope.Lane) (records uint64, oldestMS int64) {
	live := outbox.Last
	if e.uplink != nil && e.uplink.LiveFrom() != 0 {
		live = e.uplink.LiveFrom()
	}
	switch lane {
	case envelope.LaneAlarm:
		return e.outbox.Waits(envelope.Alarm, outbox.First, outbox.Last)
	case envelope.LaneLive:
		return e.outbox.Waits(envelope.Samples, live, outbox.Last)
	default:
		return e.outbox.Waits(envelope.Samples, outbox.First, live)
	}
}
