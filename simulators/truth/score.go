package truth

import (
	"cmp"
	"slices"
	"strings"
)

// graceMS is how long before its beginning (clocks) and after its end (the
// way of a sample) a fault still explains a ticket.
const graceMS = 5000

// Result judges tickets by the truth.
type Result struct {
	Faults int `json:"faults"`
	// Found faults have at least one ticket of their own.
	Found   int `json:"found"`
	Tickets int `json:"tickets"`
	// Related tickets name something else about a device while it has a
	// fault: the alarm key in a trapped lift. They are no false alarms.
	Related int `json:"related"`
	// Doubled tickets repeat one that the same fault already has.
	Doubled int `json:"doubled"`
	// False tickets have no fault behind them.
	False int `json:"false"`
	// Recall is Found/Faults; Precision is the share of tickets that are
	// neither doubled nor false. Both are 1 where there was nothing to judge.
	Recall    float64 `json:"recall"`
	Precision float64 `json:"precision"`
	// Delays from the fault's begin to its ticket, in ms, of found faults.
	DelayP50MS int64 `json:"delay_p50_ms"`
	DelayP95MS int64 `json:"delay_p95_ms"`
	DelayMaxMS int64 `json:"delay_max_ms"`
	// DeviceDays is what FalsePerDeviceDay divides by.
	DeviceDays        float64 `json:"device_days"`
	FalsePerDeviceDay float64 `json:"false_per_device_day"`
	// Missed lists the faults without a ticket, Wrong the false tickets.
	Missed []Fault  `json:"missed"`
	Wrong  []Ticket `json:"wrong"`
}

// Span is what was watched; zero fields are taken from the files, which know
// only devices that had something.
type Span struct {
	Devices int
	DaysMS  int64
}

// Score compares. A fault is found by a ticket of its device and kind raised
// while it lasts.
func Score(faults []Fault, tickets []Ticket, watched Span) Result {
	r := Result{Faults: len(faults), Tickets: len(tickets)}
	tickets = slices.SortedFunc(slices.Values(tickets), func(a, b Ticket) int { return cmp.Compare(a.RaisedMS, b.RaisedMS) })
	found := make([]bool, len(faults))
	var delays []int64
	for _, t := range tickets {
		i, related := explain(faults, found, t)
		switch {
		case i >= 0 && found[i]:
			r.Doubled++
		case i >= 0:
			found[i] = true
			delays = append(delays, max(0, t.RaisedMS-faults[i].FromMS))
		case related:
			r.Related++
		default:
			r.Wrong = append(r.Wrong, t)
		}
	}
	for i, f := range faults {
		if !found[i] {
			r.Missed = append(r.Missed, f)
		}
	}
	r.False, r.Found = len(r.Wrong), r.Faults-len(r.Missed)
	r.Recall = share(r.Found, r.Faults)
	r.Precision = share(r.Tickets-r.False-r.Doubled, r.Tickets)
	slices.Sort(delays)
	r.DelayP50MS, r.DelayP95MS, r.DelayMaxMS = quantile(delays, 50), quantile(delays, 95), quantile(delays, 100)
	r.DeviceDays = deviceDays(faults, tickets, watched)
	if r.DeviceDays > 0 {
		r.FalsePerDeviceDay = float64(r.False) / r.DeviceDays
	}
	return r
}

// explain finds the fault that a ticket tells of, one without a ticket before
// one that has its own; related reports another fault of the device.
func explain(faults []Fault, found []bool, t Ticket) (fault int, related bool) {
	fault = -1
	for i, f := range faults {
		if !sameDevice(f.Device, t.Device) || t.RaisedMS < f.FromMS-graceMS || f.ToMS != 0 && t.RaisedMS > f.ToMS+graceMS {
			continue
		}
		related = true
		if tells(t.Kind, f.Fault) && (fault < 0 || found[fault]) {
			fault = i
		}
	}
	return fault, related
}

// tells reports whether a ticket's kind names the fault. Kinds of device name
// every fault of it.
func tells(kind, fault string) bool {
	switch kind {
	case "elevator", "access-gate", "patrol-robot", "":
		return true
	case "overheat":
		return fault == "overheat" || fault == "overheat_drift"
	}
	return kind == fault
}

// sameDevice compares ids, of which one may carry its estate.
func sameDevice(a, b string) bool {
	return a == b || strings.HasSuffix(a, ":"+b) || strings.HasSuffix(b, ":"+a)
}

func share(part, whole int) float64 {
	if whole == 0 {
		return 1
	}
	return float64(part) / float64(whole)
}

// quantile is the nearest-rank percentile of sorted values, 0 of none.
func quantile(sorted []int64, percent int) int64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := (len(sorted)*percent + 99) / 100
	return sorted[max(rank, 1)-1]
}

func deviceDays(faults []Fault, tickets []Ticket, watched Span) float64 {
	devices := map[string]bool{}
	var instants []int64
	for _, f := range faults {
		devices[bare(f.Device)] = true
		instants = append(instants, f.FromMS, max(f.FromMS, f.ToMS))
	}
	for _, t := range tickets {
		devices[bare(t.Device)] = true
		instants = append(instants, t.RaisedMS, max(t.RaisedMS, t.ClearedMS))
	}
	n, span := watched.Devices, watched.DaysMS
	if n == 0 {
		n = len(devices)
	}
	if span == 0 && len(instants) > 0 {
		span = slices.Max(instants) - slices.Min(instants)
	}
	return float64(n) * float64(span) / (24 * 3600 * 1000)
}

func bare(device string) string { return device[strings.LastIndexByte(device, ':')+1:] }
