package app

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/health"
	"github.com/linshao/linshao/edge/internal/outbox"
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
	if !e.clock.Trusted() {
		bad["clock"] = "时钟未同步"
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
		o.Lanes = append(o.Lanes, health.Lane{Lane: string(w.Log), Records: int64(w.Records), OldestMS: w.OldestMS})
	}
	if e.uplink != nil {
		o.Connected = e.uplink.Connected()
	}
	o.SkewMS, _, _ = e.times.now()
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
	for lane, pick := range map[string]func(*outbox.Stats) outbox.Waiting{
		"alarm":   func(s *outbox.Stats) outbox.Waiting { return s.Alarm },
		"samples": func(s *outbox.Stats) outbox.Waiting { return s.Samples },
	} {
		e.meter.Gauge("linshao_edge_outbox_records", "Records that wait for the cloud.", func() float64 {
			return float64(pick(now.Load()).Records)
		}, "lane", lane)
		e.meter.Gauge("linshao_edge_outbox_oldest_seconds", "Age of the oldest record that waits.", func() float64 {
			oldest := pick(now.Load()).OldestMS
			if oldest == 0 {
				return 0
			}
			return time.Duration(max(clock.NowMS(e.clock)-oldest, 0) * int64(time.Millisecond)).Seconds()
		}, "lane", lane)
	}
}
