package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/simulators/e2e/site"
	"github.com/linshao/linshao/simulators/pager"
)

const (
	benchGates = 75
	// benchTick is when one gate reports ten values: about 500 samples/s. It
	// shares no rhythm with timers that people write down.
	benchTick = 19 * time.Millisecond
	// benchEvery is after how many of those something happens at a gate.
	benchEvery = 5
)

// benchFaults are events of the gate and the rules that page for them.
var benchFaults = [][2]string{{"door_forced_open", "forced"}, {"tamper_alarm", "tamper"}}

// BenchmarkChangeToPage takes the time from just before a gate publishes that
// it was forced until the provider of the person on duty has accepted the
// page, through real binaries, disks and sockets, while all gates together
// report about 500 samples/s and some ten tickets a second open. The budget of
// p99 is 500 ms; p99/budget is its share.
func BenchmarkChangeToPage(b *testing.B) {
	var took []float64
	for b.Loop() {
		took = append(took, changesToPages(b)...)
	}
	slices.Sort(took)
	at := func(q float64) float64 { return took[int(math.Ceil(q*float64(len(took))))-1] }
	b.ReportMetric(at(0.5), "p50-ms")
	b.ReportMetric(at(0.99), "p99-ms")
	b.ReportMetric(at(1), "max-ms")
	b.ReportMetric(at(0.99)/500, "p99/budget")
	b.ReportMetric(0, "ns/op") // mostly waiting, says nothing
}

// changesToPages boots a site, lets every fault happen at every gate, and
// returns the milliseconds until each was paged.
func changesToPages(b *testing.B) []float64 {
	b.Helper()
	p, err := pager.Listen("127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { p.Close() })
	var logins, devices strings.Builder
	for i := range benchGates {
		fmt.Fprintf(&logins, "    - {id: %s, password: secret}\n", benchGate(i))
		fmt.Fprintf(&devices, "  - {id: %s, profile: access-gate}\n", benchGate(i))
	}
	// Nobody accepts here, and nobody is to be called up for that.
	plan := strings.NewReplacer("after: 2s", "after: 10m", "after: 5s", "after: 20m").Replace(site.DefaultPlan(p.URL()))
	s := site.New(b, site.Options{Plan: plan, Devices: devices.String(), Logins: logins.String()})
	gates := make([]*site.Device, benchGates)
	for i := range gates {
		gates[i] = s.Device(benchGate(i), "secret")
		if err := gates[i].Connect(); err != nil {
			b.Fatal(err)
		}
	}
	happened := happenings(gates)
	var paged map[string]int64
	s.Eventually("a page for each of them", time.Minute, func() bool {
		paged = firstPages(b, p)
		return len(paged) >= len(happened)
	})
	took := make([]float64, 0, len(happened))
	for what, at := range happened {
		took = append(took, float64(paged[what]-at))
	}
	return took
}

// happenings has the gates report in turn, and every fault happen at each of
// them once. It returns when, in Unix ms by "gate rule".
func happenings(gates []*site.Device) map[string]int64 {
	happened := map[string]int64{}
	tick := time.NewTicker(benchTick)
	defer tick.Stop()
	for n := 0; len(happened) < len(gates)*len(benchFaults); n++ {
		<-tick.C
		id := benchGate(n % len(gates))
		gates[n%len(gates)].MustPublish("devices/"+id+"/telemetry", fmt.Sprintf(
			`{"door": "closed", "locked": true, "door_mode": 2, "tamper": false, "motor_temp": %d.5, "supply_voltage": 229.75, "passages": %d, "humidity": 41.25, "lux": 300, "signal_dbm": -71}`,
			40+n%10, n))
		if n%benchEvery != 0 {
			continue
		}
		i := n / benchEvery
		id = benchGate(i % len(gates))
		fault := benchFaults[i/len(gates)]
		happened[id+" "+fault[1]] = time.Now().UnixMilli()
		gates[i%len(gates)].MustPublish("devices/"+id+"/events", `{"event": "`+fault[0]+`"}`)
	}
	return happened
}

// firstPages returns when the first page of each ticket was accepted.
func firstPages(b *testing.B, p *pager.Pager) map[string]int64 {
	b.Helper()
	paged := map[string]int64{}
	for _, g := range p.Pages() {
		var t struct{ Device, Rule string }
		if err := json.Unmarshal(g.Ticket, &t); err != nil {
			b.Fatal(err)
		}
		what := t.Device + " " + t.Rule
		if at, known := paged[what]; g.Accepted && (!known || g.AtMS < at) {
			paged[what] = g.AtMS
		}
	}
	return paged
}

func benchGate(i int) string { return fmt.Sprintf("bench-gate-%d", i) }
