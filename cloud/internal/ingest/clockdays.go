package ingest

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/linshao/linshao/protocol/telemetry"

	"github.com/linshao/linshao/cloud/internal/series"
)

// ClockDay sums up what was odd about the times of one device's samples that
// came on one day (UTC). One Sample may count under several reasons.
type ClockDay struct {
	Estate, Device string
	DayMS          int64
	// Samples had at least one of: Corrected (moved by what is known of the
	// edge's clock), Untrusted (nobody vouched for that clock), Disbelieved
	// (the device's own time was impossible), Late (older than the newest).
	Samples, Corrected, Untrusted, Disbelieved, Late int64
	// MostMS is the largest distance between the original time and the one
	// that is stored; FirstMS and LastMS bound the original times.
	MostMS, FirstMS, LastMS int64
}

type deviceID struct{ estate, device string }

// clockDays sums up works that came at nowMS, in order of estate and device. A
// device without a clock is not odd.
func clockDays(works []*work, nowMS int64) []ClockDay {
	const day = int64(24 * time.Hour / time.Millisecond)
	sums := map[deviceID]*ClockDay{}
	for _, w := range works {
		for i := range w.Samples {
			s := &w.Samples[i]
			const odd = telemetry.ClockCorrected | telemetry.ClockUntrusted | telemetry.Historical
			if s.Marks&odd == 0 && !disbelieved(s) || !series.CleanLabel(s.Key.Device) {
				continue
			}
			id := deviceID{w.Estate, s.Key.Device}
			if sums[id] == nil {
				sums[id] = &ClockDay{
					Estate: id.estate, Device: id.device, DayMS: nowMS - nowMS%day, FirstMS: math.MaxInt64, LastMS: math.MinInt64,
				}
			}
			sums[id].add(s)
		}
	}
	out := make([]ClockDay, 0, len(sums))
	for d := range maps.Values(sums) {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(a, b ClockDay) int {
		return strings.Compare(a.Estate+"\x00"+a.Device, b.Estate+"\x00"+b.Device)
	})
	return out
}

// disbelieved reports whether the device said a time that cannot be.
func disbelieved(s *telemetry.Sample) bool {
	return s.DeviceMS != 0 && s.Marks.Has(telemetry.ReceiveTime)
}

func (d *ClockDay) add(s *telemetry.Sample) {
	count := func(n *int64, yes bool) {
		if yes {
			*n++
		}
	}
	d.Samples++
	count(&d.Corrected, s.Marks.Has(telemetry.ClockCorrected))
	count(&d.Untrusted, s.Marks.Has(telemetry.ClockUntrusted))
	count(&d.Disbelieved, disbelieved(s))
	count(&d.Late, s.Marks.Has(telemetry.Historical))
	said := s.DeviceMS
	if said == 0 {
		said = s.EdgeMS
	}
	d.FirstMS, d.LastMS = min(d.FirstMS, said), max(d.LastMS, said)
	d.MostMS = max(d.MostMS, s.AtMS-said, said-s.AtMS)
}
