package flow

import (
	"cmp"
	"slices"
	"sync"

	"github.com/linshao/linshao/protocol/telemetry"
)

const (
	// maxSeries bounds the series of one device that are remembered; beyond
	// it Samples are judged and stored, but not put in order.
	maxSeries = 4096
	// presentMS is how far a Sample's time may be from the edge's and still
	// speak of the present; aheadMS is how far ahead of the edge's clock a
	// time must be to show that a clock was wrong.
	presentMS = 2000
	aheadMS   = 1000
	// setBackMS is for how long a series must be late by the same time, with
	// nothing newer between, to show that its clock was set back: a device
	// that sends what it kept is not late by the same time for so long.
	setBackMS = 30_000
)

// Order knows the newest Sample of every series. Its zero value is ready to
// use; its methods are safe for concurrent use.
type Order struct {
	mu      sync.RWMutex
	devices map[string]map[string]*newest // guarded by mu
}

type newest struct {
	sample telemetry.Sample
	// saidMS is the Sample's time before it was nudged.
	saidMS int64
	// lagMS is how late its Samples have been, all of them since lateMS by the
	// edge's clock; 0: the last one was not late.
	lagMS, lateMS int64
}

// Take makes the times of each series strictly increasing: a value that came
// in the same millisecond as another is nudged behind it, one that is older is
// marked Historical. Newer ones become the latest.
//
// A clock that was ahead and is put right (the edge's or the device's) starts
// its series anew, and so does one that was set back, after a while: whoever
// speaks of the present is not Historical for ever.
func (o *Order) Take(samples []telemetry.Sample) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range samples {
		s := &samples[i]
		n := o.seriesLocked(s.Key)
		if n == nil {
			continue
		}
		n.place(s)
	}
}

func (o *Order) seriesLocked(k telemetry.SeriesKey) *newest {
	series := o.devices[k.Device]
	if series == nil {
		if o.devices == nil {
			o.devices = map[string]map[string]*newest{}
		}
		series = map[string]*newest{}
		o.devices[k.Device] = series
	}
	n := series[k.Metric]
	if n == nil && len(series) < maxSeries {
		n = &newest{}
		series[k.Metric] = n
	}
	return n
}

// place compares s with the newest of its series.
func (n *newest) place(s *telemetry.Sample) {
	saidMS := s.AtMS
	switch {
	case n.sample.Key.Metric == "", saidMS > n.sample.AtMS, n.corrected(s):
	case saidMS < n.saidMS:
		if !n.setBack(s) {
			s.Marks |= telemetry.Historical
			return
		}
	case n.repeats(s):
		s.AtMS = n.sample.AtMS
	default:
		s.AtMS = n.sample.AtMS + 1
	}
	if s.AtMS != saidMS {
		s.Marks |= telemetry.Nudged
	}
	n.sample, n.saidMS, n.lateMS = *s, saidMS, 0
}

// repeats reports whether s is the newest Sample sent again.
func (n *newest) repeats(s *telemetry.Sample) bool {
	last := &n.sample
	return s.AtMS == n.saidMS && s.Value == last.Value && s.Text == last.Text && s.Quality == last.Quality
}

// corrected reports whether the newest was stamped by a clock that was ahead
// and has been put right.
func (n *newest) corrected(s *telemetry.Sample) bool {
	off := s.AtMS - s.EdgeMS
	now := -presentMS <= off && off <= presentMS
	since := off <= aheadMS && s.AtMS > n.sample.EdgeMS
	return n.sample.AtMS > s.EdgeMS+aheadMS && (now || since)
}

// setBack reports whether the series is late because its clock was set back.
func (n *newest) setBack(s *telemetry.Sample) bool {
	lagMS := s.EdgeMS - s.AtMS
	off := lagMS - n.lagMS
	if n.lateMS == 0 || off > presentMS || off < -presentMS {
		n.lagMS, n.lateMS = lagMS, s.EdgeMS
	}
	return s.EdgeMS-n.lateMS >= setBackMS
}

// Latest returns the newest Sample of each series of a device, by metric.
func (o *Order) Latest(dev string) []telemetry.Sample {
	o.mu.RLock()
	defer o.mu.RUnlock()
	out := make([]telemetry.Sample, 0, len(o.devices[dev]))
	for _, n := range o.devices[dev] {
		out = append(out, n.sample)
	}
	slices.SortFunc(out, func(a, b telemetry.Sample) int { return cmp.Compare(a.Key.Metric, b.Key.Metric) })
	return out
}
