package modbus

import (
	"errors"
	"sync/atomic"
	"time"

	"github.com/linshao/linshao/edge/internal/device"
	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/telemetry"
)

const (
	// downAfter is how many reads in a row must stay without an answer before
	// a device counts as offline: one lost frame is no outage.
	downAfter = 2
	// maxRest bounds how long a unit that does not answer is left alone,
	// maxLineRest how long an endpoint that cannot be dialled is: a dial costs
	// nobody else anything.
	maxRest     = 30 * time.Second
	maxLineRest = 5 * time.Second
)

// unit is one device on a line. Except for forget it is used by the line's
// goroutine only.
type unit struct {
	device device.Device
	polls  []*poll

	// failures counts reads in a row without an answer.
	failures int
	// notBefore is when a unit that does not answer is asked again.
	notBefore time.Duration
	// lineDown: it is the endpoint that cannot be reached.
	lineDown bool
	// known and up: whether the device's reachability was reported, and how.
	known, up bool
	// served numbers the line's turns; the unit's last one was this.
	served uint64

	// forget is set when a Batch did not reach the disk: what was reported
	// was not, so everything is reported again.
	forget atomic.Bool
}

func newUnit(d device.Device) (*unit, string, error) {
	if d.Modbus == nil || d.Profile == nil || d.Profile.Protocol != device.Modbus {
		return nil, "", errors.New("it needs a profile that speaks modbus, and modbus: {url: …, unit: …}")
	}
	address, err := d.Modbus.Address()
	if err != nil {
		return nil, "", err
	}
	polls, err := planPolls(d.Profile)
	return &unit{device: d, polls: polls}, address, err
}

// answered notes that the unit is there. It reports whether that is news.
func (u *unit) answered() bool {
	u.failures, u.notBefore, u.lineDown = 0, 0, false
	news := !u.known || !u.up
	u.known, u.up = true, true
	return news
}

// missed notes that no answer came and leaves the unit alone for a while:
// not at all after the first failure, then 1 s, doubling. It reports whether
// the unit being offline is news.
func (u *unit) missed(now time.Duration, dialing bool) bool {
	u.failures++
	u.lineDown = dialing
	if u.failures < downAfter {
		return false
	}
	longest := maxRest
	if dialing {
		longest = maxLineRest
	}
	rest := time.Second << min(u.failures-downAfter, 10)
	u.notBefore = now + min(rest, longest)
	news := !u.known || u.up
	u.known, u.up = true, false
	return news
}

// refused notes an exception on a poll. Those that more asking will not mend
// (no such function, address or value) are asked for less and less often.
func (p *poll) refused(code byte, now time.Duration) {
	if code < 1 || code > 3 {
		p.refusals = 0
		return
	}
	p.refusals++
	rest := time.Second << min(p.refusals-1, 10)
	p.due = max(p.due, now+min(rest, maxRest))
}

// reportAgain makes every point report at its next reading.
func (u *unit) reportAgain() {
	u.known = false
	for _, p := range u.polls {
		for _, q := range p.points {
			q.last = report{}
		}
	}
}

// key names one of the device's series.
func (u *unit) key(metric string) telemetry.SeriesKey {
	return telemetry.SeriesKey{Device: u.device.ID, Kind: u.device.Kind, Metric: metric}
}

// sample builds a Sample of the device at the edge's time: over Modbus no
// device says when.
func (u *unit) sample(metric string, nowMS int64) telemetry.Sample {
	at, marks := telemetry.EffectiveTime(0, nowMS)
	return telemetry.Sample{Key: u.key(metric), AtMS: at, EdgeMS: nowMS, Marks: marks}
}

// online builds the Sample of the device's reachability.
func (u *unit) online(nowMS int64) telemetry.Sample {
	s := u.sample(driver.Online, nowMS)
	if u.up {
		s.Value = 1
	}
	return s
}

// values reports what one poll brought.
func (u *unit) values(p *poll, answer []byte, now time.Duration, nowMS int64) []telemetry.Sample {
	var out []telemetry.Sample
	for _, q := range p.points {
		v, quality, reason := q.read(answer, now)
		if !q.due(v, quality, now) {
			continue
		}
		s := u.sample(q.Name, nowMS)
		s.Value, s.Quality, s.Reason = v, quality, reason
		out = append(out, s)
	}
	return out
}

// lost reports every point of a poll as bad.
func (u *unit) lost(out []telemetry.Sample, p *poll, reason string, now time.Duration, nowMS int64) []telemetry.Sample {
	for _, q := range p.points {
		q.lost()
		q.due(0, telemetry.Bad, now)
		s := u.sample(q.Name, nowMS)
		s.Quality, s.Reason = telemetry.Bad, reason
		out = append(out, s)
	}
	return out
}
