package ingest_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/topic"
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

// tell sends e to a collector whose clock is off by so much, and lets it die
// before it commits if so.
func (w *world) tell(e envelope.Envelope, off time.Duration, dies bool) {
	w.t.Helper()
	w.clock.off.Store(off.Milliseconds())
	w.fault = nil
	if dies {
		appended := false
		w.fault = func(point string) error {
			appended = appended || point == "appended"
			if appended && point == "commit" {
				return errCrash
			}
			return nil
		}
	}
	c := w.start()
	w.mustSend(c, e)
	synctest.Wait()
	c.stop()
	synctest.Wait()
}

// A collector that dies between series and ledger is told again what it has:
// whatever its clock shows by then, and however wrong the edge's is, no sample
// gets a second row.
func TestASampleHasOneTimeHoweverOftenItIsSent(t *testing.T) {
	t.Parallel()
	const six = 6 * time.Minute
	for name, origin := range map[string]telemetry.Origin{
		"measured":                {Boot: "b", SkewKnown: true},
		"measured, and put right": {Boot: "b", SkewKnown: true, SkewMS: yearMS},
		"trusted":                 {Boot: "b", ClockTrusted: true},
		"nobody knows":            {Boot: "b"},
	} {
		for wrong, aheadMS := range map[string]int64{
			"right": 0, "a year ahead": yearMS, "a year behind": -yearMS, "in 1970": 5000 - now, "six minutes ahead": six.Milliseconds(),
		} {
			for _, offs := range [][2]time.Duration{{0, six}, {0, -six}, {six, 0}, {-six, 0}, {-six, six}} {
				t.Run(fmt.Sprint(name, ", ", wrong, offs), func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) {
						w := newWorld(t)
						e := samplesOf(garden, 1, 3)
						e.Events = nil
						e.Origin = origin
						e.Origin.EdgeMS = now + aheadMS
						for i := range e.Samples {
							s := &e.Samples[i]
							s.AtMS = now + aheadMS - 2000 + int64(i)*1000
							s.EdgeMS, s.Marks = s.AtMS, telemetry.ReceiveTime
						}
						w.tell(e, offs[0], true)
						w.tell(e, offs[1], true)
						// Some other packing, and a clock that shows enough.
						one := e
						one.Sequences, one.Samples = []envelope.Range{{First: 3, Last: 3}}, e.Samples[2:]
						w.tell(one, 0, false)
						w.tell(e, six, false)
						if n := len(w.series); n > 3 {
							t.Errorf("%d rows of 3 samples: %v", n, w.timesOf())
						}
						for _, at := range w.timesOf() {
							if at > six.Milliseconds()+telemetry.NewestAheadMS {
								t.Errorf("stored %d ms ahead", at)
							}
						}
						if len(w.series) != 3 || !w.settled(garden, envelope.Samples).ContainsAll(e.Sequences) {
							t.Errorf("%d rows of 3 samples, settled %v", len(w.series), w.settled(garden, envelope.Samples))
						}
					})
				})
			}
		}
	}
}

// What was decided stays: what lies ahead of a cloud that was set back since
// waits at its edge, and comes when its time has come.
func TestWhatLiesAheadWaitsForItsTime(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := samplesOf(garden, 1, 3)
		e.Origin = telemetry.Origin{Boot: "b", ClockTrusted: true}
		for i := range e.Samples {
			e.Samples[i].AtMS = now + int64(i)
		}
		before := e
		before.Sequences, before.Samples, before.Events = []envelope.Range{{First: 9, Last: 9}}, e.Samples[:1], nil
		w.tell(before, 0, true)
		w.fault = nil
		w.clock.off.Store((-6 * time.Minute).Milliseconds())
		c := w.start()
		defer c.stop()
		w.mustSend(c, e)
		synctest.Wait()
		if n := c.count(t, "linshao_cloud_envelopes_total", "live", "ahead"); n != 1 || len(w.series) != 1 || len(w.receipts) != 0 {
			t.Errorf("%d counted, %d rows, %d receipts", n, len(w.series), len(w.receipts))
		}
		w.clock.off.Store((-5 * time.Minute).Milliseconds() + 2)
		w.mustSend(c, e)
		synctest.Wait()
		if !w.settled(garden, envelope.Samples).ContainsAll(e.Sequences) || len(w.series) != 3 {
			t.Errorf("settled %v, %d rows", w.settled(garden, envelope.Samples), len(w.series))
		}
	})
}

// However an edge lies about its times, nothing gets into the stores that lies
// beyond the bound, and it harms nobody but itself.
func TestALyingEdgeStoresNothingOutOfBounds(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 8))
	any64 := func() int64 {
		return []int64{
			0, 1, -1, now, now + yearMS, now - yearMS, now + 100*yearMS, -now, math.MaxInt64, math.MinInt64, math.MaxInt64 - now,
			math.MinInt64 + now, 1 << 53, now + telemetry.NewestAheadMS + 1, now + r.Int64N(2*yearMS) - yearMS, int64(r.Uint64()), //nolint:gosec // any bits
		}[r.IntN(16)]
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.start()
		defer c.stop()
		for n := range envelope.Sequence(3000) {
			e := samplesOf(garden, n+1, n+1)
			e.Origin = telemetry.Origin{
				Boot: string(rune('a' + r.IntN(20))), EdgeMS: any64(), MonoMS: any64(), SkewKnown: r.IntN(2) == 0, SkewMS: any64(), ClockTrusted: r.IntN(2) == 0,
			}
			e.Samples = append(e.Samples, e.Samples[0])
			for i := range e.Samples {
				s := &e.Samples[i]
				s.AtMS, s.EdgeMS, s.DeviceMS, s.Marks = any64(), any64(), any64(), telemetry.Marks(r.IntN(32)) //nolint:gosec // small
			}
			e.Events[0].AtMS, e.Events[0].EdgeMS = any64(), any64()
			if b, err := envelope.Encode(e); err != nil || c.Receive(t.Context(), garden.Up("live"), b) != nil {
				continue // what cannot be said cannot be a lie
			}
			if n%100 == 0 {
				synctest.Wait()
			}
		}
		honest := samplesOf(topic.Uplink{Estate: "lake", Edge: "lake-1"}, 1, 3)
		honest.Origin = telemetry.Origin{Boot: "b", ClockTrusted: true}
		w.mustSend(c, honest)
		synctest.Wait()
		if len(w.series) < 100 {
			t.Errorf("only %d rows: the test tests nothing", len(w.series))
		}
		for p := range w.series {
			if p.at > now+telemetry.NewestAheadMS {
				t.Errorf("stored %d ms ahead", p.at-now)
			}
		}
		for id, list := range w.tables.moves {
			if len(list) > 8 {
				t.Errorf("%d decisions about boot %s", len(list), id.Boot)
			}
		}
		if !w.settled(topic.Uplink{Estate: "lake", Edge: "lake-1"}, envelope.Samples).ContainsAll(honest.Sequences) {
			t.Error("an honest edge waits")
		}
	})
}

// What was odd about times is summed up by device, with the transaction that
// settles it.
func TestOddTimesAreSummedUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		e := samplesOf(garden, 1, 4)
		e.Origin = telemetry.Origin{Boot: "b", SkewKnown: true}
		at := now - 1000
		for i, s := range []telemetry.Sample{
			{Marks: telemetry.ReceiveTime},                                    // has no clock: nothing odd
			{Marks: telemetry.ReceiveTime, DeviceMS: now + yearMS},            // is a year ahead
			{Marks: telemetry.Historical | telemetry.ClockUntrusted},          // late, and nobody knows
			{Marks: telemetry.ClockCorrected, DeviceMS: 0, EdgeMS: at + 7000}, // put right
		} {
			s.Key, s.AtMS = e.Samples[i].Key, at
			if s.EdgeMS == 0 {
				s.EdgeMS = at
			}
			e.Samples[i] = s
		}
		w.tell(e, 0, true)
		if len(w.tables.days) != 0 {
			t.Errorf("summed up without a commit: %+v", w.tables.days)
		}
		w.tell(e, 0, false)
		w.tell(e, 0, false) // settled: counts no more
		want := ingest.ClockDay{
			Estate: "garden", Device: "lift-1", DayMS: now, Samples: 3, Corrected: 1, Untrusted: 1, Disbelieved: 1, Late: 1,
			MostMS: yearMS + 1000, FirstMS: at, LastMS: now + yearMS,
		}
		if got := w.tables.days["lift-1"]; got != want {
			t.Errorf("got %+v", got)
		}
	})
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
