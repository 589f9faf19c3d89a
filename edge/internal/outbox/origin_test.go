package outbox_test

import (
	"testing"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"

	"github.com/linshao/linshao/edge/internal/outbox"
	"github.com/linshao/linshao/edge/internal/vfs"
)

// What is found out about a clock later completes its records when they are
// leased, and an Envelope has the records of one clock only [P-5.5].
func TestARecordIsToldWhatIsKnownOfItsClock(t *testing.T) {
	t.Parallel()
	r := newRig(t, vfs.NewMem())
	check(t, r.box.Close())
	r.o.Origin = func(o telemetry.Origin) telemetry.Origin {
		if o.Boot == "before" && !o.SkewKnown {
			o.SkewKnown, o.SkewMS = true, 5000
		}
		return o
	}
	r.open()
	for i, o := range []telemetry.Origin{
		{Boot: "before", MonoMS: 1},
		{Boot: "before", MonoMS: 2},
		{Boot: "before", MonoMS: 3, SkewKnown: true, SkewMS: 100},
		{Boot: "after", ClockTrusted: true},
		{Boot: "after", ClockTrusted: true, SkewKnown: true, SkewMS: -100},
	} {
		rec := r.sample(i)
		rec.Origin = o
		check(t, r.box.Append(r.ctx, nil, []envelope.Record{rec}))
	}
	var got []int64
	for pos := outbox.First; ; {
		e, next, err := r.box.Lease(envelope.Samples, pos, outbox.Last, 1<<20)
		check(t, err)
		if len(e.Sequences) == 0 {
			break
		}
		got = append(got, int64(len(e.Samples)), e.Origin.SkewMS)
		pos = next
	}
	want := []int64{2, 5000, 1, 100, 1, 0, 1, -100}
	if len(got) != len(want) {
		t.Fatalf("samples and skew of each envelope: %v, want %v", got, want)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("samples and skew of each envelope: %v, want %v", got, want)
		}
	}
}
