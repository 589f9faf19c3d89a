package flow

import (
	"context"
	"time"

	"github.com/linshao/linshao/edge/internal/detect"
	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

const (
	// tickEvery is how often time alone is judged; contracts speak of seconds.
	tickEvery = time.Second
	// checkpointAfter and checkpointEvery bound how much of the alarm log a
	// start has to replay.
	checkpointAfter = 512
	checkpointEvery = 10 * time.Minute
)

// judge owns detector and ticket state. One goroutine runs it.
type judge struct {
	*Flow
	findings []detect.Finding
	// stalled is for how long nobody was heard because the disk stood still.
	stalled time.Duration
	// told counts Transitions since the last checkpoint, which was at
	// checkedAt.
	told      int
	checkedAt time.Duration
}

// verdict is what the committer gets: one Batch with all it caused, or what
// time or the cloud caused.
type verdict struct {
	origin telemetry.Origin
	// born are Transitions for the cloud; local are those that came from
	// there, and checkpoint is for this edge only.
	born, local []ticket.Transition
	checkpoint  []byte
	batch       driver.Batch
	done        func(error)
	// found: the Batch concerns a condition, so nobody lets it wait.
	found bool
}

// urgent reports whether a verdict is committed at once: everything for the
// alarm log, and what had a part in it.
func (v *verdict) urgent() bool {
	return v.found || len(v.born)+len(v.local) > 0 || v.checkpoint != nil
}

func newJudge(f *Flow) *judge { return &judge{Flow: f, told: f.recalled, checkedAt: f.o.Clock.Mono()} }

func (j *judge) run(ctx context.Context) {
	j.seed()
	t := j.o.Clock.NewTimer(tickEvery)
	defer t.Stop()
	for {
		select {
		case a := <-j.in:
			j.take(a)
		case <-t.C():
			t.Reset(tickEvery)
			j.tick()
		case <-ctx.Done():
			return
		}
	}
}

func (j *judge) take(a arrival) {
	v := verdict{origin: j.origin(), done: a.done}
	if v.found = a.remote != nil; v.found {
		for _, x := range a.remote {
			if j.triage.Apply(x, v.origin) {
				v.local = append(v.local, x)
			}
		}
	} else {
		v.batch = a.batch
		v.born = j.judge(a.batch, v.origin)
		v.found = len(j.findings) > 0
	}
	j.send(v)
}

// judge returns what a Batch causes.
func (j *judge) judge(b driver.Batch, now telemetry.Origin) []ticket.Transition {
	var ts []ticket.Transition
	j.order.Take(b.Samples)
	for i := range b.Samples {
		if on, known := maintenance(&b.Samples[i]); known {
			ts = j.triage.Maintain(ts, b.Device, on, now)
		}
	}
	heard := j.heard(now)
	j.findings = j.bank.Step(j.findings[:0], b.Samples, heard)
	for i := range b.Events {
		j.findings = j.bank.Notify(j.findings, &b.Events[i], heard)
	}
	return j.found(ts, now)
}

func (j *judge) tick() {
	now := j.origin()
	j.findings = j.bank.Tick(j.findings[:0], j.heard(now))
	ts := j.triage.Tick(j.found(nil, now), now)
	if len(ts) > 0 {
		j.send(verdict{origin: now, born: ts})
	}
	due := j.told >= checkpointAfter || j.told > 0 && j.o.Clock.Mono()-j.checkedAt >= checkpointEvery
	if due {
		j.checkpoint()
	}
}

// found turns j.findings into Transitions.
func (j *judge) found(ts []ticket.Transition, now telemetry.Origin) []ticket.Transition {
	for i := range j.findings {
		f := &j.findings[i]
		if f.Active {
			j.o.Meter.Found(f.Rule.ID)
		}
		ts = j.triage.Judge(ts, j.subjects.finding(f), now)
	}
	return ts
}

// checkpoint records the ticket state, so that a start need not go further
// back.
func (j *judge) checkpoint() {
	if j.told == 0 {
		return
	}
	b, err := j.triage.Snapshot()
	if err != nil {
		j.o.Log.Error("checkpoint failed, the next start replays more", "err", err)
		return
	}
	chaos.At("flow.checkpoint.before")
	j.send(verdict{origin: j.origin(), checkpoint: b})
	chaos.At("flow.checkpoint.after")
	j.told, j.checkedAt = 0, j.o.Clock.Mono()
}

// send hands over to the committer, and notes for how long it had to wait.
func (j *judge) send(v verdict) {
	if n := len(v.born) + len(v.local); n > 0 {
		j.told += n
		j.publish()
	}
	select {
	case j.judged <- v:
	default:
		since := j.o.Clock.Mono()
		j.judged <- v
		j.stalled += j.o.Clock.Mono() - since
	}
}

// heard is now on a clock that stands still while nobody can be heard.
func (j *judge) heard(now telemetry.Origin) telemetry.Origin {
	now.MonoMS -= j.stalled.Milliseconds()
	return now
}
