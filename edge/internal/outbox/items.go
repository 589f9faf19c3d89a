package outbox

import (
	"errors"
	"fmt"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/limit"

	"github.com/linshao/linshao/edge/internal/outbox/segment"
)

// maxSent bounds the bytes of a record that is to be sent: an Envelope of one
// such record stays below limit.MaxEnvelopeBytes however badly it compresses.
const maxSent = limit.MaxEnvelopeBytes / 2

// ErrTooLarge: one Sample, Event or Transition alone is larger than an
// Envelope.
var ErrTooLarge = errors.New("record cannot be cut small enough to be sent")

// items encodes records for the log, cut in parts where they are too large.
func items(records []envelope.Record) ([]segment.Item, error) {
	out := make([]segment.Item, 0, len(records))
	for _, r := range records {
		var err error
		if out, err = appendItems(out, r); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func appendItems(out []segment.Item, r envelope.Record) ([]segment.Item, error) {
	fits := len(r.Samples) <= limit.MaxEnvelopeSamples && len(r.Transitions) <= limit.MaxTransitionsPerEnvelope
	if fits || r.Local {
		body, err := envelope.AppendRecord(nil, r)
		if err != nil {
			return nil, err
		}
		if len(body) <= maxSent || r.Local {
			it := segment.Item{Body: body, Anchor: r.Checkpoint != nil}
			if r.Origin.ClockTrusted {
				it.TimeMS = r.Origin.EdgeMS
			}
			return append(out, it), nil
		}
	}
	a, b, ok := halves(r)
	if !ok {
		return nil, fmt.Errorf("%d bytes at most: %w", maxSent, ErrTooLarge)
	}
	out, err := appendItems(out, a)
	if err != nil {
		return nil, err
	}
	return appendItems(out, b)
}

// halves cuts a record in two; false if it is one thing only.
func halves(r envelope.Record) (a, b envelope.Record, ok bool) {
	if len(r.Samples) <= 1 && len(r.Events) <= 1 && len(r.Transitions) <= 1 {
		kinds := len(r.Samples) + len(r.Events) + len(r.Transitions)
		if kinds <= 1 {
			return r, r, false
		}
		a = envelope.Record{Origin: r.Origin, Samples: r.Samples}
		b = envelope.Record{Origin: r.Origin, Events: r.Events, Transitions: r.Transitions}
		return a, b, true
	}
	a, b = r, r
	a.Samples, b.Samples = half(r.Samples)
	a.Events, b.Events = half(r.Events)
	a.Transitions, b.Transitions = half(r.Transitions)
	return a, b, true
}

func half[T any](s []T) (a, b []T) { return s[:len(s)/2], s[len(s)/2:] }
