package ingest_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
)

const yearMS = 365 * 24 * 3600 * 1000

// timesOf are the times under which a series is stored, as distances to now.
func (w *world) timesOf() (out []int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for p := range w.series {
		out = append(out, p.at-now)
	}
	slices.Sort(out)
	return out
}

func TestTimesOfAWrongClockArePutRight(t *testing.T) {
	t.Parallel()
	const corrected = telemetry.ClockCorrected | telemetry.ReceiveTime
	for name, tt := range map[string]struct {
		origin telemetry.Origin
		edgeMS int64
		marks  telemetry.Marks
		want   []int64
	}{
		"a year ahead":            {telemetry.Origin{SkewKnown: true, SkewMS: yearMS}, now + yearMS, corrected, []int64{-1000, 0}},
		"in 1970, measured later": {telemetry.Origin{SkewKnown: true, SkewMS: 5000 - now}, 5000, corrected, []int64{-1000, 0}},
		"in 1970, never measured": {telemetry.Origin{}, 5000, telemetry.ClockUntrusted | telemetry.ReceiveTime, []int64{-1000, 0}},
		"untrusted, plausible": {
			telemetry.Origin{}, now - 60_000, telemetry.ClockUntrusted | telemetry.ReceiveTime, []int64{-61_000, -60_000},
		},
		"trusted": {telemetry.Origin{ClockTrusted: true}, now - 60_000, telemetry.ReceiveTime, []int64{-61_000, -60_000}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				c := w.start()
				defer c.stop()
				e := samplesOf(garden, 1, 2)
				e.Origin = tt.origin
				for i := range e.Samples {
					s := &e.Samples[i]
					s.AtMS = tt.edgeMS - 1000 + int64(i)*1000
					s.EdgeMS, s.DeviceMS, s.Marks = s.AtMS, 0, telemetry.ReceiveTime
				}
				w.mustSend(c, e)
				synctest.Wait()
				if got := w.timesOf(); !slices.Equal(got, tt.want) {
					t.Errorf("stored at %v, want %v", got, tt.want)
				}
				if got := c.latest.Of("garden", "lift-1"); len(got) != 1 || got[0].Marks != tt.marks || got[0].EdgeMS != tt.edgeMS {
					t.Errorf("latest %+v, want marks %b", got, tt.marks)
				}
			})
		})
	}
}

// Rejected would be forgotten: what demands a newer collector is kept by its
// edge.
func TestWhatDemandsANewerCollectorIsNotAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.start()
		defer c.stop()
		e := samplesOf(garden, 1, 1)
		e.Schema = envelope.SchemaVersion + 1 // newer, and may be taken all the same
		w.mustSend(c, e)
		late := samplesOf(garden, 2, 2)
		late.Schema, late.LeastSchema = envelope.SchemaVersion+1, envelope.SchemaVersion+1
		w.mustSend(c, late)
		synctest.Wait()
		if n := len(w.receipts[garden]); n != 1 {
			t.Errorf("%d receipts", n)
		}
		if n := c.count(t, "linshao_cloud_envelopes_total", "live", "newer"); n != 1 {
			t.Errorf("%d counted", n)
		}
		for least, want := range map[uint32]error{0: nil, envelope.SchemaVersion: nil, envelope.SchemaVersion + 1: ingest.ErrNewer} {
			b, err := envelope.EncodeHello(envelope.Hello{Estate: "garden", Edge: "garden-1", Session: "s", LeastSchema: least})
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Receive(t.Context(), garden.Hello(), b); !errors.Is(err, want) {
				t.Errorf("a hello that demands %d: %v", least, err)
			}
		}
	})
}
