package outbox

import (
	"context"
	"fmt"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// Append makes alarm and samples durable, in that order. The slices may be
// reused afterwards. Records too large for one Envelope are cut in parts.
//
// After an error nothing of samples is acknowledged, but any part of both may
// be found again after a restart. If the alarm records are durable, so that
// only the samples need another try, the error has a method AlarmDurable that
// returns true.
func (b *Outbox) Append(ctx context.Context, alarm, samples []envelope.Record) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	alarms, err := items(alarm)
	if err != nil {
		return fmt.Errorf("alarm record: %w", err)
	}
	bulk, err := items(samples)
	if err != nil {
		return fmt.Errorf("samples record: %w", err)
	}
	b.appending.Lock()
	defer b.appending.Unlock()
	if len(alarms) > 0 {
		if err := b.appendAlarms(alarms); err != nil {
			return fmt.Errorf("append to alarm log: %w", err)
		}
		chaos.At("outbox.alarms.after")
	}
	if len(bulk) > 0 {
		chaos.At("outbox.samples.before")
		if err := b.appendSamples(bulk); err != nil {
			return &SamplesError{err: fmt.Errorf("append to samples log: %w", err)}
		}
		b.wake()
	}
	return nil
}

// appendAlarms commits what comes before a checkpoint on its own: a power cut
// in the middle of a commit may keep the checkpoint and not the Transitions
// that it has folded in, and these would then never reach the cloud.
func (b *Outbox) appendAlarms(alarms []segment.Item) error {
	for len(alarms) > 0 {
		n := 1
		for n < len(alarms) && !alarms[n].Anchor {
			n++
		}
		err := b.reserve.with(func() error {
			_, err := b.alarm.log.Append(alarms[:n])
			return err
		})
		for vfs.IsDiskFull(err) && b.makeWay() {
			_, err = b.alarm.log.Append(alarms[:n])
		}
		if err != nil {
			return err
		}
		b.wake()
		alarms = alarms[n:]
	}
	return nil
}

// makeWay gives up the oldest samples for alarms once the reserve is used up;
// false if there is nothing to give up.
func (b *Outbox) makeWay() bool {
	freed, err := b.dropOldest(reasonFull)
	if err != nil {
		b.o.Log.Error("outbox cannot make room for alarms", "err", err)
	}
	return freed > 0 && err == nil
}

// SamplesError says that samples could not be appended, while the alarm
// records of the same Append are durable.
type SamplesError struct{ err error }

func (e *SamplesError) Error() string { return e.err.Error() }
func (e *SamplesError) Unwrap() error { return e.err }

// AlarmDurable is true: appending the alarm records again would double them.
func (e *SamplesError) AlarmDurable() bool { return true }

func (b *Outbox) appendSamples(bulk []segment.Item) error {
	var need int64
	for _, it := range bulk {
		need += segment.FrameSize(len(it.Body))
	}
	if err := b.admit(need); err != nil {
		return err
	}
	_, err := b.samples.log.Append(bulk)
	return err
}

func (b *Outbox) wake() {
	select {
	case b.changed <- struct{}{}:
	default:
	}
}
