package lines_test

import (
	"strings"
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
	"github.com/linshao/linshao/simulators/netfault"
)

// The edge runs in a network namespace, and a router on its way loses packets:
// nobody is told, nothing is reset, and not even the edge's goodbye arrives.
func TestChaosR8Namespaces(t *testing.T) {
	r := row.Begin(t, "R8-NETNS", "packets that vanish")
	v := newVillage(t, r)
	town := rig.New(t, rig.Options{LineHost: hereIP, EdgeWrap: []string{"ip", "netns", "exec", v.edge}})
	e := town.Estates[0]
	v.relay(e.MQTT)
	v.relay(strings.TrimPrefix(e.Edge.Spec.URL, "http://"))
	town.Start()
	load := town.Load(rig.Load{Samples: 500, AlarmEvery: 500 * time.Millisecond, Handle: true})
	ways := []netfault.Way{netfault.Both, netfault.Up, netfault.Down}
	for i := range r.N(1, 18) {
		<-time.After(time.Second + upTo(r.Rand(i), time.Second))
		w := ways[i%len(ways)]
		connected := linked(e)
		v.lose(w)
		r.Count("episodes", 1)
		if !r.Full() {
			<-time.After(300 * time.Millisecond)
		} else if connected {
			took := eventually(t, "the edge to give up", bound, func() bool { return !linked(e) })
			r.Observe("notice_ms", float64(took.Milliseconds()))
			if took > noticed*time.Millisecond {
				r.Violation("packets vanished for %s before the edge noticed", took)
			}
		}
		v.heal(w)
		eventually(t, "the edge to come back", bound, func() bool { return linked(e) })
	}
	load.Stop()
	r.Load(500, load.Reached())
	verdict := town.Judge(r)
	if r.Full() && verdict.Latency.Max > alarmLate {
		r.Violation("an alarm came %.0f ms late, over %d", verdict.Latency.Max, alarmLate)
	}
}

// linked asks the edge whether it reaches the cloud.
func linked(e *rig.Estate) bool { return metrics(e.Edge)["linshao_edge_uplink_connected"] == 1 }
