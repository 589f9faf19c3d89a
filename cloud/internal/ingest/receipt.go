package ingest

import (
	"context"
	"slices"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/kit/chaos"
	"github.com/linshao/linshao/protocol/kit/clock"
	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/topic"
)

// answer sends the Receipts of works whose fate is committed.
func (l *lane) answer(ctx context.Context, works []*work) {
	for _, r := range receipts(works, clock.NowMS(l.o.Clock)) {
		b, err := envelope.EncodeReceipt(r.Receipt)
		if err == nil {
			chaos.At("ingest.receipt.before")
			err = l.o.Publisher.Publish(ctx, r.to.Receipt(), b, false)
			chaos.At("ingest.receipt.after")
		}
		if err != nil {
			l.o.Log.Warn("a receipt is not sent; the edge will send again", "estate", r.to.Estate, "edge", r.to.Edge, "err", err)
		}
	}
	for _, w := range works {
		switch {
		case w.reason != "":
			l.count(w.message, resultRejected)
		case w.repeated:
			l.count(w.message, resultRepeated)
		default:
			l.count(w.message, resultStored)
		}
		l.metrics.receipt.Observe((l.o.Clock.Mono() - w.since).Seconds())
	}
}

type addressed struct {
	to topic.Uplink
	envelope.Receipt
}

// receipts merges the answers to one edge and log into few messages, in the
// order of works.
func receipts(works []*work, nowMS int64) []addressed {
	type subject struct {
		id     LogID
		reason string
	}
	merged := map[subject]envelope.RangeSet{}
	var order []subject
	for _, w := range works {
		s := subject{w.log, w.reason}
		if _, ok := merged[s]; !ok {
			order = append(order, s)
		}
		if w.reason == reasonSequences {
			// Said back as it came: the edge knows what it meant.
			merged[s] = append(merged[s], w.spoken()...)
		} else {
			merged[s] = merged[s].AddAll(w.covered)
		}
	}
	var out []addressed
	for _, s := range order {
		for ranges := range slices.Chunk(merged[s], limit.MaxRanges) {
			r := envelope.Receipt{Epoch: s.id.Epoch, Log: s.id.Log, Sequences: ranges, Verdict: envelope.Stored, CloudMS: nowMS}
			if s.reason != "" {
				r.Verdict, r.Reason = envelope.Rejected, s.reason
			}
			out = append(out, addressed{topic.Uplink{Estate: s.id.Estate, Edge: s.id.Edge}, r})
		}
	}
	return out
}

// spoken is what the Envelope itself says that it covers.
func (w *work) spoken() []envelope.Range {
	rs := slices.Clone(w.Sequences)
	for _, g := range w.Missing {
		rs = append(rs, g.Range)
	}
	return rs
}
