package flow_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/flow"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/ticket"
)

// full is a disk with room for alarms only.
type full struct{ *disk }

func (f full) Append(ctx context.Context, alarm, samples []envelope.Record) error {
	if err := f.disk.Append(ctx, alarm, nil); err != nil {
		return err
	}
	if len(samples) > 0 {
		return alarmsKept{}
	}
	return nil
}

type alarmsKept struct{}

func (alarmsKept) Error() string      { return "no room for samples" }
func (alarmsKept) AlarmDurable() bool { return true }

// A full disk takes alarms and refuses samples: each Transition is recorded
// once, however long that lasts, and what came from the cloud is taken.
func TestAFullDiskKeepsEachAlarmOnce(t *testing.T) {
	t.Parallel()
	d := newDisk()
	e := start(t, d, func(o *flow.Options) { o.Recorder = full{d} })
	for _, v := range []float64{90, 20, 21, 22} {
		if err := <-e.put(sample("motor_temp", v)); !errors.As(err, &alarmsKept{}) {
			t.Fatalf("a sample that is on no disk: %v", err)
		}
		e.clock.Advance(2 * time.Second)
	}
	id := d.alarm[0].Transitions[0].Ticket
	if err := e.flow.Remote(t.Context(), []ticket.Transition{{ID: "x", Ticket: id, Kind: ticket.Comment}}); err != nil {
		t.Errorf("a transition of the cloud: %v", err)
	}
	e.want("raise clear [comment] ")
	if n := len(d.values()); n != 0 {
		t.Errorf("%d samples on disk", n)
	}
}
