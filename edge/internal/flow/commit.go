package flow

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/telemetry"
)

const (
	// maxGroup and maxSamples bound one commit, maxRecord the Samples of one
	// record: a megabyte or two, some milliseconds of disk.
	maxGroup   = 1024
	maxSamples = 32768
	maxRecord  = 4096
	// retryAfter is how long the committer waits before it tries again to
	// record what a failed commit left, when nothing else comes.
	retryAfter = time.Second
	// maxOwed is how many records may be owed to the alarm log before nothing
	// more is taken: drivers then wait.
	maxOwed = 2000
)

// committer records verdicts in groups. One goroutine runs it.
type committer struct {
	o      Options
	judged <-chan verdict
	group  []verdict
	size   int // Samples in group
	// owed are the alarm records of failed commits. They are recorded before
	// any other, so that the log stays a prefix of what happened.
	owed []envelope.Record
	// samples is scratch space, reused after Append returned.
	samples []envelope.Record
	drivers map[string]string
	retry   clock.Timer
	failing bool
	// window says how long a group waits for company, linger when that is over.
	window *window
	linger clock.Timer
}

func newCommitter(o Options, judged <-chan verdict) *committer {
	c := &committer{o: o, judged: judged, window: newWindow(o.Window), drivers: make(map[string]string, len(o.Devices))}
	for _, d := range o.Devices {
		if d.Profile != nil {
			c.drivers[d.ID] = string(d.Profile.Protocol)
		}
	}
	return c
}

// run commits until judged is closed and empty.
func (c *committer) run(ctx context.Context) error {
	c.retry = c.o.Clock.NewTimer(retryAfter)
	defer c.retry.Stop()
	c.retry.Stop()
	c.linger = c.o.Clock.NewTimer(retryAfter)
	defer c.linger.Stop()
	c.linger.Stop()
	for more := true; more; {
		more = c.gather(ctx)
		c.commit(ctx)
	}
	if n := len(c.owed); n > 0 {
		return fmt.Errorf("record the last %d alarm records: %w", n, errOwed)
	}
	return nil
}

var errOwed = errors.New("the recorder did not take them")

// gather waits for something to do, then takes all that is there. It reports
// false once nothing more will come.
func (c *committer) gather(ctx context.Context) (more bool) {
	c.group, c.size = c.group[:0], 0
	judged := c.judged
	if len(c.owed) >= maxOwed && ctx.Err() == nil {
		judged = nil // for now; retry runs while anything is owed
	}
	select {
	case v, ok := <-judged:
		if !ok {
			return false
		}
		c.window.begin(c.now())
		c.add(v)
	case <-c.retry.C():
		c.window.begin(c.now())
		return true
	}
	for more = c.fill(); more && !c.full() && c.wait(); {
		more = c.fill()
	}
	return more
}

// add takes a verdict into the group.
func (c *committer) add(v verdict) {
	c.group = append(c.group, v)
	c.size += len(v.batch.Samples)
	c.window.join(&v, time.Duration(v.origin.MonoMS)*time.Millisecond)
}

func (c *committer) full() bool { return c.size >= maxSamples || len(c.group) >= maxGroup }

// wait reports whether something joined the group before it was to go.
func (c *committer) wait() (joined bool) {
	d := c.window.wait(c.now())
	if d <= 0 || len(c.owed) > 0 {
		return false
	}
	c.linger.Reset(d)
	defer c.linger.Stop()
	select {
	case v, ok := <-c.judged:
		if !ok {
			return false // nothing more will come, and fill sees it too
		}
		c.add(v)
		return true
	case <-c.linger.C():
		return false
	}
}

// now is the monotonic time in the resolution of Origins, so that the two can be
// compared.
func (c *committer) now() time.Duration { return c.o.Clock.Mono().Truncate(time.Millisecond) }

// fill takes what waits beside the first of the group. When nothing waits it
// lets others run once before it goes to the disk: many devices that each wait
// for their answer speak at the same time, and a sync costs what dozens of
// messages cost. On an idle edge that takes no time.
func (c *committer) fill() (more bool) {
	yielded := 0
	for !c.full() {
		select {
		case v, ok := <-c.judged:
			if !ok {
				return false
			}
			c.add(v)
		default:
			if yielded == len(c.group) {
				return true
			}
			yielded = len(c.group)
			runtime.Gosched()
		}
	}
	return true
}

// commit records the group and what is owed, and tells those who wait.
func (c *committer) commit(ctx context.Context) {
	alarm := c.owed
	for i := range c.group {
		alarm = appendAlarm(alarm, &c.group[i])
	}
	c.gatherSamples()
	var err error
	if chaos.Broken(chaos.PubackBeforeSync) {
		c.answerEarly()
	}
	if len(alarm) > 0 || len(c.samples) > 0 {
		chaos.At("flow.append.before")
		err = c.o.Recorder.Append(ctx, alarm, c.samples)
		chaos.At("flow.append.after")
		c.note(err)
		c.window.spent(c.now())
	}
	c.retry.Stop()
	kept := alarmDurable(err)
	switch {
	case err == nil:
		c.owed = nil
		c.count()
	case kept: // owing the alarms again would fill a full disk with copies
		c.owed = nil
	default:
		if c.owed = alarm; len(alarm) > 0 {
			c.retry.Reset(retryAfter)
		}
	}
	chaos.At("flow.answer.before")
	c.answer(err, kept)
	chaos.At("flow.answer.after")
}

// answerEarly is the mistake that chaos.PubackBeforeSync asks for.
func (c *committer) answerEarly() {
	for i := range c.group {
		if v := &c.group[i]; v.done != nil {
			v.done(nil)
			v.done = nil
		}
	}
}

// answer tells those who wait how the commit went. alarmKept: of a failed one,
// all but Samples and Events is durable.
func (c *committer) answer(err error, alarmKept bool) {
	if err != nil {
		err = fmt.Errorf("record: %w", err)
	}
	now := c.now()
	for i := range c.group {
		v := &c.group[i]
		verdictErr := err
		if alarmKept && len(v.batch.Samples)+len(v.batch.Events) == 0 {
			verdictErr = nil
		}
		if v.done != nil {
			c.window.answered(v, now)
			v.done(verdictErr)
		}
		*v = verdict{}
	}
}

// alarmDurable reports whether an Append that failed has made the alarm records
// durable all the same.
func alarmDurable(err error) bool {
	var part interface{ AlarmDurable() bool }
	return errors.As(err, &part) && part.AlarmDurable()
}

// note logs when recording begins to fail and when it works again.
func (c *committer) note(err error) {
	switch {
	case err != nil && !c.failing:
		c.o.Log.Error("recording fails, nothing is acknowledged", "batches", len(c.group), "err", err)
	case err == nil && c.failing:
		c.o.Log.Info("recording works again")
	}
	c.failing = err != nil
}

// appendAlarm adds what a verdict has for the alarm log.
func appendAlarm(alarm []envelope.Record, v *verdict) []envelope.Record {
	if len(v.born) > 0 {
		alarm = append(alarm, envelope.Record{Origin: v.origin, Transitions: v.born})
	}
	if len(v.local) > 0 {
		alarm = append(alarm, envelope.Record{Origin: v.origin, Local: true, Transitions: v.local})
	}
	if v.checkpoint != nil {
		alarm = append(alarm, envelope.Record{Origin: v.origin, Local: true, Checkpoint: v.checkpoint})
	}
	return alarm
}

// gatherSamples fills c.samples with the group's Samples and Events, many
// Batches to a record. A record's Origin is that of its first Batch; each
// Sample has its own times, of the same clock: a clock that is set begins
// another record.
func (c *committer) gatherSamples() {
	for i := range c.samples {
		r := &c.samples[i]
		clear(r.Samples)
		clear(r.Events)
		*r = envelope.Record{Samples: r.Samples[:0], Events: r.Events[:0]}
	}
	c.samples = c.samples[:0]
	var r *envelope.Record
	for i := range c.group {
		v := &c.group[i]
		if r == nil || len(r.Samples)+len(r.Events)+len(v.batch.Samples)+len(v.batch.Events) > maxRecord || !sameClock(r.Origin, v.origin) {
			r = c.nextRecord(v.origin)
		}
		for _, s := range v.batch.Samples {
			if s.Text == "" || s.Quality == telemetry.Bad {
				r.Samples = append(r.Samples, s)
			}
		}
		r.Events = append(r.Events, v.batch.Events...)
		if len(r.Samples)+len(r.Events) == 0 {
			c.samples, r = c.samples[:len(c.samples)-1], nil
		}
	}
}

// sameClock reports whether what is known of a's clock holds for b's, which is
// of the same boot: no more than slewing lies between them.
func sameClock(a, b telemetry.Origin) bool {
	w := wall{seen: true, aheadMS: a.EdgeMS - a.MonoMS}
	return a.ClockTrusted == b.ClockTrusted && a.SkewKnown == b.SkewKnown && a.SkewMS == b.SkewMS && w.jumped(b.EdgeMS-b.MonoMS) == 0
}

// nextRecord makes room for one record more, reusing what is there.
func (c *committer) nextRecord(o telemetry.Origin) *envelope.Record {
	if len(c.samples) < cap(c.samples) {
		c.samples = c.samples[:len(c.samples)+1]
	} else {
		c.samples = append(c.samples, envelope.Record{})
	}
	r := &c.samples[len(c.samples)-1]
	r.Origin = o
	return r
}

// count tells the meter what became durable.
func (c *committer) count() {
	texts := 0
	for i := range c.group {
		b := &c.group[i].batch
		var n [telemetry.Bad + 1]int
		for k := range b.Samples {
			if s := &b.Samples[k]; s.Text != "" && s.Quality != telemetry.Bad {
				texts++
			} else {
				n[min(s.Quality, telemetry.Bad)]++
			}
		}
		for q, k := range n {
			if k > 0 {
				c.o.Meter.Sampled(c.drivers[b.Device], telemetry.Quality(q).String(), k)
			}
		}
	}
	if texts > 0 {
		c.o.Meter.Dropped("text", texts)
	}
}
