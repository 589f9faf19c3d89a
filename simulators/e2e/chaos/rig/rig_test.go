package rig_test

import (
	"testing"
	"time"

	"github.com/linshao/linshao/protocol/kit/chaos/row"
	"github.com/linshao/linshao/simulators/e2e/chaos/rig"
)

// A town that nobody attacks keeps every promise.
func TestAQuietTownIsClean(t *testing.T) {
	r := row.Begin(t, "RIG", "a quiet town")
	town := rig.New(t, rig.Options{Estates: 2})
	town.Start()
	load := town.Load(rig.Load{Samples: 500, AlarmEvery: 200 * time.Millisecond, Handle: true})
	<-time.After(2 * time.Second)
	load.Stop()
	r.Load(500, load.Reached())
	v := town.Judge(r)
	if v.Acked < 500 || v.Rows < v.Acked || v.Alarms < 5 || v.Tickets != v.Alarms || v.Pages < v.Alarms || v.Latency.N != v.Alarms {
		t.Errorf("too little was judged: %+v", v)
	}
}
