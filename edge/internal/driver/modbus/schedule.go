package modbus

import "time"

// next returns the poll whose turn it is and when that is: the earliest due,
// and among equals the unit that has waited longest. A unit at rest is due
// when its rest ends. It returns nil where there is nothing to poll.
func next(units []*unit) (*unit, *poll, time.Duration) {
	var (
		bestUnit *unit
		best     *poll
		bestDue  time.Duration
	)
	for _, u := range units {
		for _, p := range u.polls {
			due := max(p.due, u.notBefore)
			if best == nil || due < bestDue || due == bestDue && u.served < bestUnit.served {
				bestUnit, best, bestDue = u, p, due
			}
		}
	}
	return bestUnit, best, bestDue
}

// advance moves a poll to its next period after now. The grid of periods does
// not move with delays; periods that have passed are left out, and their
// number is returned.
func (p *poll) advance(now time.Duration) (skipped int) {
	periods := 1
	if now > p.due {
		periods += int((now - p.due) / p.every)
	}
	p.due += time.Duration(periods) * p.every
	return periods - 1
}
