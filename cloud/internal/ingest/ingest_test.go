package ingest_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/linshao/linshao/cloud/internal/ingest"
	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/limit"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

type ticketTransition = ticket.Transition

// waitVirtual lets all retries happen, in virtual time.
func waitVirtual(t *testing.T) {
	t.Helper()
	<-time.After(time.Minute)
	synctest.Wait()
}

func TestAnEnvelopeIsStoredAndAnswered(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.start()
		defer c.stop()
		e := samplesOf(garden, 1, 3)
		e.Missing = []envelope.Gap{{Range: envelope.Range{First: 4, Last: 6}, Reason: "damaged"}}
		w.mustSend(c, e)
		w.mustSend(c, alarmOf(garden, 1, 1))
		synctest.Wait()
		want := []envelope.Receipt{
			{Epoch: "e1", Log: envelope.Alarm, Sequences: []envelope.Range{{First: 1, Last: 1}}, Verdict: envelope.Stored, CloudMS: now},
			{Epoch: "e1", Log: envelope.Samples, Sequences: []envelope.Range{{First: 1, Last: 6}}, Verdict: envelope.Stored, CloudMS: now},
		}
		got := w.receipts[garden]
		slices.SortFunc(got, func(a, b envelope.Receipt) int { return bytes.Compare([]byte(a.Log), []byte(b.Log)) })
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("receipts (-want +got):\n%s", d)
		}
		if !w.tables.gaps["garden-1 4-6 damaged"] {
			t.Errorf("gaps %v", w.tables.gaps)
		}
		if got := c.latest.Of("garden", "lift-1"); len(got) != 1 || got[0].Value != 3 {
			t.Errorf("latest %+v", got)
		}
		w.check([]envelope.Envelope{e, alarmOf(garden, 1, 1)})
	})
}

// A raise with its clear right behind it is told apart from one that stands
// alone.
func TestWhatFollowsIsAnnounced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.start()
		defer c.stop()
		alone, first := alarmOf(garden, 1, 1), alarmOf(garden, 2, 2)
		alone.Head, first.Head = 1, 3
		w.mustSend(c, alone)
		w.mustSend(c, first)
		synctest.Wait()
		if len(w.tables.behind) != 1 || w.tables.behind[0] != first.Transitions[0].ID {
			t.Errorf("announced: %v", w.tables.behind)
		}
	})
}

func TestWhatIsSettledIsAnsweredAgainWithoutEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for life := range 2 { // with the ledger in memory, and read anew
			c := w.start()
			for range 3 {
				w.mustSend(c, samplesOf(garden, 1, 3))
				synctest.Wait()
			}
			if want := 3 - (1 - life); c.count(t, "linshao_cloud_envelopes_total", "live", "repeated") != want {
				t.Errorf("life %d: not %d repeated", life, want)
			}
			c.stop()
		}
		if len(w.receipts[garden]) != 6 || len(w.groups) != 1 {
			t.Errorf("%d receipts, appended %d times; want 6 and 1", len(w.receipts[garden]), len(w.groups))
		}
	})
}

func TestAPartialOverlapIsApplied(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.start()
		defer c.stop()
		w.mustSend(c, alarmOf(garden, 2, 4))
		synctest.Wait()
		w.mustSend(c, alarmOf(garden, 1, 6))
		synctest.Wait()
		if len(w.tables.order) != 6 || !w.settled(garden, envelope.Alarm).Contains(envelope.Range{First: 1, Last: 6}) {
			t.Errorf("%v took effect, settled %v", w.tables.order, w.settled(garden, envelope.Alarm))
		}
	})
}

func TestAlarmsNeverWaitForSeries(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		down := true
		w.fault = func(p string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if down && p == "append" {
				return errors.New("still replaying")
			}
			return nil
		}
		c := w.start()
		defer c.stop()
		for s := envelope.Sequence(1); s < 50; s++ {
			w.mustSend(c, samplesOf(garden, s, s))
		}
		waitVirtual(t)
		w.mustSend(c, alarmOf(garden, 1, 1))
		synctest.Wait()
		if len(w.settled(garden, envelope.Alarm)) == 0 {
			t.Error("the alarm has no receipt")
		}
		if len(w.settled(garden, envelope.Samples)) != 0 {
			t.Error("samples were answered while series was down")
		}
		w.mu.Lock()
		down = false
		w.mu.Unlock()
		waitVirtual(t)
		if got := w.settled(garden, envelope.Samples); !slices.Equal(got, envelope.RangeSet{{First: 1, Last: 49}}) {
			t.Errorf("after it came up: %v", got)
		}
		if len(w.groups) > 3 {
			t.Errorf("what gathered was appended in groups of %v", w.groups)
		}
	})
}

func TestWhenFullSamplesAreRefusedAndAlarmsWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		open := make(chan struct{})
		w.fault = func(p string) error {
			if p == "begin" {
				<-open
			}
			return nil
		}
		c := w.start()
		defer c.stop()
		// A payload that is expensive to keep and cheap to read.
		padding := func(lane envelope.Lane) []byte { return bytes.Repeat([]byte(lane), limit.MaxEnvelopeBytes/16) }
		busy := 0
		w.mustSend(c, samplesOf(garden, 1, 1))
		w.mustSend(c, alarmOf(garden, 1, 1))
		for s := envelope.Sequence(2); s < 40; s++ {
			e := samplesOf(garden, s, s)
			e.Events[0].Data = noise(limit.MaxEnvelopeBytes / 2)
			if err := w.send(c, e); errors.Is(err, ingest.ErrBusy) {
				busy++
			} else if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		if busy == 0 {
			t.Error("one edge filled the memory")
		}
		other := garden
		other.Edge = "garden-2"
		if err := w.send(c, samplesOf(other, 1, 1)); err != nil {
			t.Errorf("another edge is refused too: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var err error
		for range 64 {
			if err = c.Receive(ctx, garden.Up("alarm"), padding(envelope.LaneAlarm)); err != nil {
				break
			}
		}
		if err != nil && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a waiting alarm: %v", err)
		}
		close(open)
		waitVirtual(t)
		if !w.settled(garden, envelope.Samples).Contains(envelope.Range{First: 1, Last: 2}) || len(w.settled(garden, envelope.Alarm)) == 0 ||
			len(w.settled(other, envelope.Samples)) == 0 {
			t.Error("not all that was taken was settled")
		}
		if err := w.send(c, samplesOf(garden, 100, 100)); err != nil {
			t.Errorf("room did not come back: %v", err)
		}
		waitVirtual(t)
	})
}

// noise does not compress.
func noise(n int) []byte {
	b := make([]byte, n)
	x := uint32(1)
	for i := range b {
		x = x*1664525 + 1013904223
		b[i] = byte(x >> 24)
	}
	return b
}

func TestWhatCanNeverBeStoredIsRejectedWithAReason(t *testing.T) {
	t.Parallel()
	wrongLane := samplesOf(garden, 1, 1)
	wrongLane.Lane = envelope.LaneAlarm
	transitionInSamples := samplesOf(garden, 1, 1)
	transitionInSamples.Transitions = alarmOf(garden, 1, 1).Transitions
	sampleInAlarm := alarmOf(garden, 1, 1)
	sampleInAlarm.Samples = samplesOf(garden, 1, 1).Samples
	backwards := samplesOf(garden, 1, 1)
	backwards.Sequences = []envelope.Range{{First: 5, Last: 9}, {First: 2, Last: 3}}
	huge := samplesOf(garden, 1, 1)
	huge.Sequences = []envelope.Range{{First: 1, Last: math.MaxInt64 + 1}}
	for name, c := range map[string]struct {
		payload []byte
		lane    string
		reason  string
	}{
		"an alarm lane in the live topic": {encode(t, wrongLane), "live", "wrong_lane"},
		"samples in the alarm topic":      {encode(t, samplesOf(garden, 1, 1)), "alarm", "wrong_lane"},
		"a transition among samples":      {encode(t, transitionInSamples), "live", "wrong_log"},
		"a sample among transitions":      {encode(t, sampleInAlarm), "alarm", "wrong_log"},
		"sequences backwards":             {encode(t, backwards), "live", "bad_sequences"},
		"a sequence beyond all":           {encode(t, huge), "live", "bad_sequences"},
		"columns that lead nowhere":       {spoiled(t, samplesOf(garden, 1, 1)), "live", "undecodable"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				col := w.start()
				defer col.stop()
				for range 2 {
					if err := col.Receive(t.Context(), garden.Up(c.lane), slices.Clone(c.payload)); err != nil {
						t.Fatal(err)
					}
					synctest.Wait()
				}
				w.mustSend(col, samplesOf(garden, 20, 20)) // others go on
				synctest.Wait()
				rs := w.receipts[garden]
				if len(rs) != 3 || len(w.early) > 0 {
					t.Fatalf("%d receipts, early %v", len(rs), w.early)
				}
				for _, r := range rs[:2] {
					if r.Verdict != envelope.Rejected || r.Reason != c.reason || len(r.Sequences) == 0 {
						t.Errorf("%+v, want rejected(%s)", r, c.reason)
					}
				}
				if len(w.series) != 1 || len(w.tables.order) != 0 {
					t.Error("something of it was stored")
				}
				if n := col.count(t, "linshao_cloud_envelopes_total", c.lane, "rejected"); n != 2 {
					t.Errorf("counted %d", n)
				}
			})
		})
	}
}

func encode(t *testing.T, e envelope.Envelope) []byte {
	t.Helper()
	b, err := envelope.Encode(e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// spoiled is e with Samples that name a string which is not there.
func spoiled(t *testing.T, e envelope.Envelope) []byte {
	t.Helper()
	dec, err := zstd.NewReader(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	raw, err := dec.DecodeAll(encode(t, e), nil)
	if err != nil {
		t.Fatal(err)
	}
	var samples []byte
	for field := protowire.Number(2); field <= 5; field++ { // device, kind, metric, count
		samples = protowire.AppendTag(samples, field, protowire.BytesType)
		samples = protowire.AppendBytes(samples, []byte{99})
	}
	record := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), samples)
	raw = protowire.AppendBytes(protowire.AppendTag(raw, 10, protowire.BytesType), record)
	enc, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = enc.Close() }()
	return enc.EncodeAll(raw, nil)
}

func TestNobodyIsAnsweredForAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.start()
		defer c.stop()
		other := garden
		other.Estate = "other"
		payload := encode(t, samplesOf(other, 1, 1))
		noLog := samplesOf(garden, 1, 1)
		noLog.Log = ""
		silent := samplesOf(garden, 1, 1)
		silent.Sequences = nil
		for _, p := range [][]byte{payload, []byte("junk"), encode(t, noLog), encode(t, silent)} {
			if err := c.Receive(t.Context(), garden.Up("live"), p); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if len(w.receipts) != 0 || len(w.series) != 0 || len(w.tables.ledger) != 0 {
			t.Errorf("answered %v", w.receipts)
		}
		foreign := c.count(t, "linshao_cloud_envelopes_total", "live", "foreign")
		unreadable := c.count(t, "linshao_cloud_envelopes_total", "live", "unreadable")
		if foreign != 3 || unreadable != 1 {
			t.Errorf("foreign %d, unreadable %d", foreign, unreadable)
		}
		for _, name := range []string{"linshao/v1/garden", garden.Receipt(), garden.Status(), "devices/x/telemetry"} {
			if err := c.Receive(t.Context(), name, payload); err == nil {
				t.Errorf("%s is taken", name)
			}
		}
		if err := c.Receive(t.Context(), garden.Up("live"), make([]byte, limit.MaxEnvelopeBytes+1)); !errors.Is(err, envelope.ErrTooLarge) {
			t.Errorf("oversized: %v", err)
		}
	})
}

func TestHelloIsSavedAndAClonedDiskRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.start()
	defer c.stop()
	hello := func(session, previous string) error {
		b, err := envelope.EncodeHello(envelope.Hello{Estate: "garden", Edge: "garden-1", Epoch: "e1", Session: session, Previous: previous})
		if err != nil {
			t.Fatal(err)
		}
		return c.Receive(t.Context(), garden.Hello(), b)
	}
	for _, s := range [][2]string{{"s1", "s0"}, {"s1", "s0"}, {"s2", "s1"}} {
		if err := hello(s[0], s[1]); err != nil {
			t.Errorf("%v: %v", s, err)
		}
	}
	if err := hello("s2b", "s1"); !errors.Is(err, ingest.ErrClone) {
		t.Errorf("the clone: %v", err)
	}
	b, err := envelope.EncodeHello(envelope.Hello{Estate: "other", Edge: "garden-1", Session: "s"})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Receive(t.Context(), garden.Hello(), b); err == nil {
		t.Error("a hello for another estate is taken")
	}
	if err := c.Receive(t.Context(), garden.Hello(), []byte{0xff}); err == nil {
		t.Error("junk is taken for a hello")
	}
	if n := c.count(t, "linshao_cloud_hellos_total", "", "clone"); n != 1 {
		t.Errorf("%d clones counted", n)
	}
}

// An edge whose clock is an hour fast does not spoil the store: its samples
// come to the present, with their distances.
func TestAFastClockIsBroughtBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.start()
		defer c.stop()
		e := samplesOf(garden, 1, 2)
		e.Samples[0].AtMS, e.Samples[1].AtMS = now+3_600_000, now+3_601_000
		w.mustSend(c, e)
		synctest.Wait()
		got := c.latest.Of("garden", "lift-1")
		if len(got) != 1 || got[0].AtMS != now || !got[0].Marks.Has(telemetry.ReceiveTime) {
			t.Errorf("latest %+v", got)
		}
		if _, ok := w.series[place{"garden", "garden-1", "lift-1", "motor_temp", now - 1000}]; !ok || len(w.series) != 2 {
			t.Errorf("series %v", w.series)
		}
	})
}

func TestReceiptsAreLostWithoutHarm(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		lost := 0
		w.fault = func(p string) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			if p == "publish" && lost < 10 {
				lost++
				return errors.New("the edge is gone")
			}
			return nil
		}
		c := w.start()
		defer c.stop()
		e := edge{all: []envelope.Envelope{samplesOf(garden, 1, 4), alarmOf(garden, 1, 2)}}
		for len(e.unsettled(w)) > 0 {
			for _, x := range e.unsettled(w) {
				w.mustSend(c, x)
			}
			synctest.Wait()
		}
		w.check(e.all)
		if lost != 10 {
			t.Errorf("lost %d receipts", lost)
		}
	})
}

// A Record whose Receipt got lost before its edge dropped it is here, and what
// is gone is told once, in however many pieces the edge tells it.
func TestOnlyWhatNeverCameIsAGap(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		c := w.start()
		defer c.stop()
		told := func(first, last, head envelope.Sequence, lost ...envelope.Range) {
			e := samplesOf(garden, first, last)
			e.Head = head
			for _, r := range lost {
				e.Missing = append(e.Missing, envelope.Gap{Range: r, Reason: "dropped_full"})
			}
			w.mustSend(c, e)
			synctest.Wait()
		}
		told(1, 10, 10)
		told(31, 31, 40, envelope.Range{First: 5, Last: 20})
		told(32, 32, 40, envelope.Range{First: 5, Last: 12}, envelope.Range{First: 13, Last: 25})
		want := map[string]bool{"garden-1 11-20 dropped_full": true, "garden-1 21-25 dropped_full": true}
		if d := cmp.Diff(want, w.tables.gaps); d != "" {
			t.Error(d)
		}
	})
}
