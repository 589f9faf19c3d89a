package fleet

import (
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/linshao/linshao/protocol/envelope"
	"github.com/linshao/linshao/protocol/topic"
	"github.com/linshao/linshao/simulators/broker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// collector answers Envelopes with Receipts, as it is told.
type collector struct {
	t       *testing.T
	b       *broker.Broker
	verdict func(n int) (broker.Verdict, envelope.Verdict)

	mu      sync.Mutex
	n       int
	hellos  []envelope.Hello
	stored  map[string]map[envelope.Sequence]int // samples by edge
	lanes   map[string][]string                  // as they came
	repeats int
}

func collect(t *testing.T, verdict func(n int) (broker.Verdict, envelope.Verdict)) *collector {
	t.Helper()
	c := &collector{t: t, verdict: verdict, stored: map[string]map[envelope.Sequence]int{}, lanes: map[string][]string{}}
	b, err := broker.Listen("127.0.0.1:0", broker.Script{
		Connect: func(user, password string) bool { return user == "u" && password == "p" },
		Publish: c.publish,
	})
	if err != nil {
		t.Fatal(err)
	}
	c.b = b
	t.Cleanup(b.Close)
	return c
}

func (c *collector) publish(m broker.Message) broker.Verdict {
	up, leaf, err := topic.ParseUplink(m.Topic)
	if err != nil {
		c.t.Error(err)
		return broker.Drop
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch leaf {
	case topic.UpHello:
		h, err := envelope.DecodeHello(m.Payload)
		if err != nil || h.Edge != up.Edge {
			c.t.Errorf("hello %+v, %v", h, err)
		}
		c.hellos = append(c.hellos, h)
	case topic.UpLive, topic.UpBackfill, topic.UpAlarm:
		c.lanes[up.Edge] = append(c.lanes[up.Edge], leaf)
		return c.take(up, m.Payload)
	}
	return broker.Ack
}

// take stores an Envelope and sends its Receipt. Callers hold mu.
func (c *collector) take(up topic.Uplink, payload []byte) broker.Verdict {
	e, err := envelope.Decode(payload)
	if err != nil || e.Edge != up.Edge || len(e.Sequences) != 1 {
		c.t.Errorf("envelope of %s: %v", up.Edge, err)
		return broker.Drop
	}
	c.n++
	v, verdict := c.verdict(c.n)
	if v == broker.Drop || v == broker.Swallow {
		return v
	}
	if c.stored[up.Edge] == nil {
		c.stored[up.Edge] = map[envelope.Sequence]int{}
	}
	if e.Log == envelope.Samples {
		seq := e.Sequences[0].First
		if _, again := c.stored[up.Edge][seq]; again {
			c.repeats++
		}
		c.stored[up.Edge][seq] = len(e.Samples)
	}
	b, err := envelope.EncodeReceipt(envelope.Receipt{
		Epoch: e.Epoch, Log: e.Log, Sequences: e.Sequences, Verdict: verdict, CloudMS: 1,
	})
	if err != nil {
		c.t.Error(err)
	}
	if v != broker.AckDrop {
		c.b.Send(up.Receipt(), b)
	}
	return v
}

func options(c *collector, edges int) Options {
	return Options{
		URL: c.b.URL(), Credentials: Shared(edges, "garden", "u", "p"), Devices: 3, Rate: 50,
		Every: 20 * time.Millisecond, Duration: 400 * time.Millisecond, Grace: 20 * time.Second, Seed: 1,
		Log: slog.New(slog.DiscardHandler),
	}
}

func TestEverySampleIsSettled(t *testing.T) {
	c := collect(t, func(int) (broker.Verdict, envelope.Verdict) { return broker.Ack, envelope.Stored })
	got, err := Run(t.Context(), options(c, 3))
	if err != nil {
		t.Fatal(err)
	}
	if got.Samples == 0 || got.Settled != got.Samples || got.Receipts != got.Envelopes || got.Broken != 0 || got.Online != 0 {
		t.Errorf("%+v", got)
	}
	sum := 0
	for _, edge := range c.stored {
		for _, n := range edge {
			sum += n
		}
	}
	if uint64(sum) != got.Samples || len(c.stored) != 3 || len(c.hellos) != 3 {
		t.Errorf("the collector has %d samples of %d edges, %d hellos", sum, len(c.stored), len(c.hellos))
	}
	if h := c.hellos[0]; len(h.Devices) != 3 || h.Session == "" || h.Previous != "" || h.Epoch == "" {
		t.Errorf("hello %+v", h)
	}
}

func TestNothingIsForgottenBeforeItsReceipt(t *testing.T) {
	c := collect(t, func(n int) (broker.Verdict, envelope.Verdict) {
		if n%5 == 0 { // stored and acknowledged, and the Receipt is lost
			return broker.AckDrop, envelope.Stored
		}
		return broker.Ack, envelope.Stored
	})
	got, err := Run(t.Context(), options(c, 1))
	if err != nil {
		t.Fatal(err)
	}
	if got.Settled != got.Samples || got.Broken == 0 || got.Resent == 0 {
		t.Errorf("%+v", got)
	}
	if c.repeats == 0 {
		t.Error("the unsettled Envelope was not sent again")
	}
	for i, h := range c.hellos[1:] {
		if h.Previous != c.hellos[i].Session || h.Epoch != c.hellos[0].Epoch {
			t.Errorf("session chain breaks at %d: %+v", i, h)
		}
	}
}

func TestRejectedIsSettledAndCounted(t *testing.T) {
	c := collect(t, func(int) (broker.Verdict, envelope.Verdict) { return broker.Ack, envelope.Rejected })
	got, err := Run(t.Context(), options(c, 1))
	if err != nil || got.Rejected != got.Samples || got.Settled != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestASlowCollectorSlowsTheFleet(t *testing.T) {
	c := collect(t, func(int) (broker.Verdict, envelope.Verdict) { return broker.Swallow, "" })
	o := options(c, 1)
	o.Every, o.Duration, o.Grace = 10*time.Millisecond, 1500*time.Millisecond, 0
	o.Rate = 100
	got, err := Run(t.Context(), o)
	if err != nil || got.Settled != 0 || got.Envelopes > 64 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestMeasureKeepsTheRateAndTheTime(t *testing.T) {
	t.Parallel()
	e := newEdge(Options{Devices: 2, Rate: 2.5, Every: time.Second, Seed: 1}, Credential{}, 0, newCounters())
	n, last := 0, map[string]int64{}
	for i := range int64(10) {
		for _, s := range e.measure(1_000_000 + 1000*i) {
			if s.AtMS <= last[s.Key.Device] {
				t.Errorf("time stands still: %+v", s)
			}
			last[s.Key.Device] = s.AtMS
			n++
		}
	}
	if n != 2*25 {
		t.Errorf("%d samples, want 50", n)
	}
}

func TestQuantilesOfDelays(t *testing.T) {
	t.Parallel()
	var d delays
	if d.quantile(0.99) != 0 {
		t.Error("a quantile of nothing")
	}
	for ms := range 100 {
		d.add(time.Duration(ms) * time.Millisecond)
	}
	d.add(time.Hour)
	if p50, p99, all := d.quantile(0.5), d.quantile(0.99), d.quantile(1); p50 != 50 || p99 != 99 || all != slowest {
		t.Errorf("p50 %d, p99 %d, max %d", p50, p99, all)
	}
}

func TestCredentialsAreReadByLine(t *testing.T) {
	t.Parallel()
	got, err := ReadCredentials(strings.NewReader("estate,edge,username,password\ngarden,g-1,garden/g-1,secret\n"))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]Credential{{"garden", "g-1", "garden/g-1", "secret"}}, got); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"", "garden,g-1,u,p\n", "estate,edge,username,password\none,two\n"} {
		if _, err := ReadCredentials(strings.NewReader(bad)); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestOptionsAreChecked(t *testing.T) {
	t.Parallel()
	if err := (Options{Rate: 1e9, Devices: 1, Every: time.Second}).Validate(); err == nil ||
		!strings.Contains(err.Error(), "no edges") || !strings.Contains(err.Error(), "samples an Envelope") {
		t.Errorf("%v", err)
	}
}

// What was kept during an outage comes first of all, alarms before samples, and
// each edge says how it fared.
func TestAFleetComesBackWithItsPast(t *testing.T) {
	c := collect(t, func(n int) (broker.Verdict, envelope.Verdict) {
		if n == 7 { // in the middle of it all
			return broker.AckDrop, envelope.Stored
		}
		return broker.Ack, envelope.Stored
	})
	o := options(c, 2)
	o.Backlog, o.Alarms = time.Minute, 2
	got, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	kept := uint64(2 * 3 * 50 * 60) // edges, devices, rate, seconds
	if got.Settled != got.Samples || got.Samples < kept || got.Alarms != 4 || got.First != 2 || got.Drained != 2 || got.DrainedMaxMS < got.FirstMaxMS {
		t.Errorf("%+v", got)
	}
	for edge, lanes := range c.lanes {
		if lanes[0] != topic.UpAlarm || !slices.Contains(lanes, topic.UpBackfill) || !slices.Contains(lanes, topic.UpLive) {
			t.Errorf("%s sent %v", edge, lanes)
		}
	}
	for _, h := range c.hellos {
		if h.Heads[0].Oldest == 0 || h.Heads[1].Log != envelope.Alarm || h.Heads[1].Head != 2 {
			t.Errorf("hello %+v", h)
		}
	}
}
