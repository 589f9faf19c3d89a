package detect

import (
	"cmp"
	"slices"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// remembered is how many values of a series are kept as evidence.
const remembered = 5

// series is one metric of one device that somebody judges: its last values
// and its Detectors. Without Detectors no series is kept.
type series struct {
	metric  string
	watches []*watch
	last    [remembered]point
	count   uint32
	// discovered: the Detectors for any metric have been made.
	discovered bool
}

type point struct {
	atMS  int64
	value float64
}

func (s *series) remember(x *telemetry.Sample) {
	s.last[s.count%remembered] = point{x.AtMS, x.Value}
	s.count++
}

// evidence returns the values kept, oldest first.
func (s *series) evidence(dst []ticket.Evidence) []ticket.Evidence {
	n := min(s.count, remembered)
	for i := s.count - n; i != s.count; i++ {
		p := s.last[i%remembered]
		dst = append(dst, ticket.Evidence{Metric: s.metric, AtMS: p.atMS, Value: p.value})
	}
	return dst
}

// watch is one Detector at its place: which rule, which device, which series.
type watch struct {
	unit *unit
	// metric is as in Finding.
	metric string
	det    Detector
	rule   *device.Rule
	inputs []*series
	dirty  bool
}

// evidence gathers what the watch looked at, in time order.
func (w *watch) evidence() []ticket.Evidence {
	var out []ticket.Evidence
	for _, s := range w.inputs {
		out = s.evidence(out)
	}
	slices.SortStableFunc(out, func(a, b ticket.Evidence) int { return cmp.Compare(a.AtMS, b.AtMS) })
	return out[max(0, len(out)-limit.MaxEvidence):]
}
