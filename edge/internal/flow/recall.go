package flow

import (
	"fmt"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/ticket"
)

// Recall takes one record of the alarm log, in the log's order, before Run:
// the newest checkpoint, if there is one, and all that follows it.
func (f *Flow) Recall(r envelope.Record) error {
	chaos.At("flow.recall.before")
	now := f.origin()
	if len(r.Checkpoint) > 0 {
		if err := f.triage.Restore(r.Checkpoint); err != nil {
			return fmt.Errorf("recall a checkpoint: %w", err)
		}
		f.recalled = 0
	}
	for _, x := range r.Transitions {
		f.triage.Apply(x, now)
		f.recalled++
	}
	f.publish()
	chaos.At("flow.recall.after")
	return nil
}

// seed tells the detectors which conditions lasted when the edge stopped, so
// that their end is noticed; what no rule judges any more is ended here.
func (j *judge) seed() {
	now := j.origin()
	var ts []ticket.Transition
	for _, k := range j.triage.Lasting() {
		if k.Estate != j.o.Estate || !j.bank.Seed(k.Device, k.Rule, k.Metric, now) {
			ts = j.triage.Drop(ts, k, "rule_removed", now)
		}
	}
	if len(ts) > 0 {
		j.send(verdict{origin: now, born: ts})
	}
}
