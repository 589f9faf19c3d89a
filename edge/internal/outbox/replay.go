package outbox

import (
	"errors"
	"fmt"
	"io"

	"github.com/linshao/linshao/protocol/envelope"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
)

// Replay calls fn with every record of the alarm log from the newest checkpoint
// on, that record included, in order; without a checkpoint, or if it is
// damaged, with all there are. Damaged records are left out. It is called at
// the start, before Append. It ends with fn's first error.
func (b *Outbox) Replay(fn func(seq envelope.Sequence, r envelope.Record) error) error {
	r := b.alarm.log.NewReader(newestAnchor(b.alarm.log.Segments()))
	defer r.Close()
	if e, err := r.Next(); err == nil && sane(e) {
		return b.replay(e, r, fn)
	}
	all := b.alarm.log.NewReader(1)
	defer all.Close()
	e, err := all.Next()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("replay alarm log: %w", err)
	}
	return b.replay(e, all, fn)
}

func sane(e segment.Entry) bool {
	if e.What != segment.Record {
		return false
	}
	_, err := envelope.DecodeRecord(e.Body)
	return err == nil
}

// replay gives e and what follows to fn.
func (b *Outbox) replay(e segment.Entry, r *segment.Reader, fn func(envelope.Sequence, envelope.Record) error) error {
	for {
		switch e.What {
		case segment.Record:
			rec, err := envelope.DecodeRecord(e.Body)
			if err != nil {
				b.noteDamage(b.alarm, e.First, e.Last, e.TimeMS, e.TimeMS)
				b.o.Log.Error("alarm record cannot be decoded", "position", e.First, "err", err)
				break
			}
			if err := fn(life{e.Life}.sequence(e.First), rec); err != nil {
				return err
			}
		case segment.Damaged:
			b.noteDamage(b.alarm, e.First, e.Last, e.FromMS, e.ToMS)
			b.o.Log.Error("alarm records are damaged", "first", e.First, "last", e.Last)
		}
		var err error
		if e, err = r.Next(); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("replay alarm log: %w", err)
		}
	}
}
