package flow_test

import (
	"context"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/protocol/telemetry"
)

// poll hands over a message that nobody waits for.
func (e *edge) poll(v float64) {
	e.t.Helper()
	b := driver.Batch{Device: "lift-1", Samples: e.stamp([]telemetry.Sample{sample("floor", v)})}
	if err := e.flow.Put(context.Background(), b); err != nil {
		e.t.Fatal(err)
	}
}

// lingering is a Flow that has used up what flash can bear, with a sample that
// waits for company.
func lingering(t *testing.T) (*edge, *disk) {
	t.Helper()
	d := newDisk()
	e := start(t, d, func(o *flow.Options) { o.Window = 200 * time.Millisecond })
	for i := range 16 {
		e.poll(float64(i))
		<-d.entered
	}
	e.poll(16)
	e.clock.BlockUntil(2) // the judge's tick, and the group
	if n := d.asked(); n != 16 {
		t.Fatalf("%d commits before the group waits", n)
	}
	return e, d
}

func TestSamplesWaitForCompanyOnlySoLong(t *testing.T) {
	t.Parallel()
	e, d := lingering(t)
	e.clock.Advance(200 * time.Millisecond)
	<-d.entered
	e.settle()
	if n := d.asked(); n != 17 {
		t.Errorf("%d commits", n)
	}
}

func TestAnAlarmTakesAlongWhatWaits(t *testing.T) {
	t.Parallel()
	e, d := lingering(t)
	e.say(sample("motor_temp", 90)) // no time passes
	if n, got := d.asked(), len(d.values()); n != 17 || got != 18 {
		t.Errorf("%d commits of %d samples", n, got)
	}
	e.want("raise ")
}

func TestStoppingDoesNotWaitForCompany(t *testing.T) {
	t.Parallel()
	e, d := lingering(t)
	if err := e.stop(); err != nil {
		t.Fatal(err)
	}
	if got := len(d.values()); got != 17 {
		t.Errorf("%d samples are kept", got)
	}
}
