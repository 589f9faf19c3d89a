package uplink

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/linshao/linshao/protocol/envelope"
)

func seqs(first, last envelope.Sequence) []envelope.Range {
	return []envelope.Range{{First: first, Last: last}}
}

func TestAReceiptSettlesOnlyWhatItNames(t *testing.T) {
	t.Parallel()
	var w window
	w.add(&parcel{log: envelope.Samples, epoch: "e", need: seqs(1, 10)})
	w.add(&parcel{log: envelope.Alarm, epoch: "e", need: seqs(1, 10)})
	w.add(&parcel{log: envelope.Samples, epoch: "before", need: seqs(1, 10)})
	for _, r := range []envelope.Receipt{
		{Log: envelope.Samples, Epoch: "e", Sequences: seqs(1, 4)},
		{Log: envelope.Samples, Epoch: "e", Sequences: seqs(20, 30)},
		{Log: envelope.Samples, Epoch: "other", Sequences: seqs(1, 10)},
	} {
		if _, ok := w.settle(r, 0); ok {
			t.Errorf("%+v settled something", r)
		}
	}
	if _, ok := w.settle(envelope.Receipt{Log: envelope.Samples, Epoch: "e", Sequences: seqs(5, 10)}, 0); !ok || len(w.parcels) != 2 {
		t.Errorf("two receipts together did not settle, %d parcels left", len(w.parcels))
	}
}

func TestSamplesNeverTakeTheAlarmsRoom(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		w := window{pace: pace{budget: mostBudget}}
		for range rapid.IntRange(0, 200).Draw(rt, "parcels") {
			lane := rapid.SampledFrom([]envelope.Lane{envelope.LaneLive, envelope.LaneBackfill}).Draw(rt, "lane")
			if w.room(lane) {
				w.add(&parcel{lane: lane, bytes: rapid.IntRange(1, 200_000).Draw(rt, "bytes")})
			}
		}
		if !w.room(envelope.LaneAlarm) {
			rt.Fatal("no room for an alarm behind samples")
		}
		bytes := 0
		for _, p := range w.parcels {
			bytes += p.bytes
		}
		if len(w.parcels) > samplesWindow || bytes > mostBudget+200_000 {
			rt.Fatalf("%d parcels, %d bytes on the way", len(w.parcels), bytes)
		}
	})
}

// On a thin line the first of many alarms must be answered before it counts as
// lost; a fast one is hardly held back.
func TestAlarmsDoNotFloodAThinLine(t *testing.T) {
	t.Parallel()
	w := window{pace: newPace()}
	bytes := 0
	for w.room(envelope.LaneAlarm) {
		w.add(&parcel{lane: envelope.LaneAlarm, bytes: 5000})
		bytes += 5000
	}
	if bytes < alarmBudget || bytes > alarmBudget+5000 {
		t.Errorf("%d bytes of alarms on the way", bytes)
	}
	w = window{pace: newPace()}
	for w.room(envelope.LaneAlarm) {
		w.add(&parcel{lane: envelope.LaneAlarm, bytes: 100})
	}
	if len(w.parcels) != alarmWindow {
		t.Errorf("%d alarms on the way", len(w.parcels))
	}
}
