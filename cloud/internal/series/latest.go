package series

import (
	"cmp"
	"math"
	"slices"
	"sync"

	"github.com/linshao/linshao/protocol/telemetry"
)

// Latest is the newest Sample of every metric of every device, in memory. It
// is fed with what became durable and rebuilt from the Store at start; Texts,
// which no Store keeps, come back with the device's next report.
//
// Late data never moves it back: only a Sample with a later time than what
// stands there counts, and one that its edge marked Historical never does.
type Latest struct {
	mu      sync.RWMutex
	devices map[deviceID]map[string]Newest // by device, then metric
}

type deviceID struct{ estate, device string }

// NewLatest makes an empty Latest.
func NewLatest() *Latest { return &Latest{devices: map[deviceID]map[string]Newest{}} }

// Load takes what a Store remembers.
func (l *Latest) Load(all []Newest) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range all {
		l.takeLocked(all[i].Estate, all[i].Edge, 0, &all[i].Sample)
	}
}

// Observe takes what became durable. It keeps nothing of batches
// but copies of what is newest.
func (l *Latest) Observe(batches []Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range batches {
		for i := range b.Samples {
			s := &b.Samples[i]
			if s.Marks.Has(telemetry.Historical) || math.IsNaN(s.Value) || math.IsInf(s.Value, 0) ||
				!CleanLabel(s.Key.Device) || !CleanLabel(s.Key.Metric) {
				continue
			}
			l.takeLocked(b.Estate, b.Edge, b.ReceivedMS, s)
		}
	}
}

func (l *Latest) takeLocked(estate, edge string, receivedMS int64, s *telemetry.Sample) {
	id := deviceID{estate, s.Key.Device}
	metrics := l.devices[id]
	if metrics == nil {
		metrics = map[string]Newest{}
		l.devices[id] = metrics
	}
	if old, ok := metrics[s.Key.Metric]; ok && s.AtMS <= old.AtMS {
		return
	}
	metrics[s.Key.Metric] = Newest{Estate: estate, Edge: edge, ReceivedMS: receivedMS, Sample: *s}
}

// Of returns the newest Sample of every metric of a device, by metric.
func (l *Latest) Of(estate, device string) []Newest {
	l.mu.RLock()
	defer l.mu.RUnlock()
	metrics := l.devices[deviceID{estate, device}]
	out := make([]Newest, 0, len(metrics))
	for _, n := range metrics {
		out = append(out, n)
	}
	slices.SortFunc(out, func(a, b Newest) int { return cmp.Compare(a.Key.Metric, b.Key.Metric) })
	return out
}
