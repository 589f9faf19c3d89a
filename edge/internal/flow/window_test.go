package flow

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/linshao/linshao/edge/internal/driver"
	"github.com/linshao/linshao/protocol/telemetry"
	"github.com/linshao/linshao/protocol/ticket"
)

// town plays devices against a window: virtual time in steps of a millisecond,
// each commit takes commitMS.
type town struct {
	w        *window
	devices  []*resident
	commitMS int64

	nowMS, idleAt int64
	group         []message
	messages      int64
	commits       int
	longest       int64
}

// resident sends a message every periodMS, or, if it thinks, so long after each
// answer.
type resident struct {
	id                string
	periodMS, thinkMS int64
	closed            bool
	// random: the period is its average only.
	random *rand.Rand
	nextMS int64
}

type message struct {
	from   *resident
	v      verdict
	sentMS int64
}

func newTown(most time.Duration, devices ...*resident) *town {
	return &town{w: newWindow(most), devices: devices, commitMS: 1}
}

func (t *town) now() time.Duration { return time.Duration(t.nowMS) * time.Millisecond }

// run lets ms pass.
func (t *town) run(ms int64) {
	for end := t.nowMS + ms; t.nowMS < end; t.nowMS++ {
		for _, d := range t.devices {
			if d.nextMS == t.nowMS {
				t.send(d)
			}
		}
		if len(t.group) > 0 && t.nowMS >= t.idleAt && t.w.wait(t.now()) == 0 {
			t.commit()
		}
	}
}

func (t *town) send(d *resident) {
	v := verdict{done: func(error) {}, batch: driver.Batch{Device: d.id, Samples: make([]telemetry.Sample, 1)}}
	if len(t.group) == 0 {
		t.w.begin(t.now())
	}
	t.group = append(t.group, message{d, v, t.nowMS})
	t.w.join(&v, t.now())
	if d.closed {
		d.nextMS = -1
	} else if d.nextMS += d.periodMS; d.random != nil {
		d.nextMS += int64(d.random.ExpFloat64()*float64(d.periodMS)) + 1 - d.periodMS
	}
	t.messages++
}

// commit answers the group commitMS later.
func (t *town) commit() {
	t.commits++
	t.w.spent(t.now())
	done := t.nowMS + t.commitMS
	for _, m := range t.group {
		t.longest = max(t.longest, done-m.sentMS)
		t.w.answered(&m.v, time.Duration(done)*time.Millisecond)
		if m.from.closed {
			m.from.nextMS = done + m.from.thinkMS
		}
	}
	t.group, t.idleAt = nil, done
}

func many(n int, of resident) (out []*resident) {
	for i := range n {
		d := of
		d.id = fmt.Sprintf("device-%d", i)
		d.nextMS += int64(i) * max(of.periodMS, of.thinkMS, 1) / int64(n)
		out = append(out, &d)
	}
	return out
}

const most = 200 * time.Millisecond

// 50 samples a second of 20 devices: whether they wait for answers or not, the
// commits fit into 5 GB a day.
func TestSmallMessagesWearOutNoFlash(t *testing.T) {
	t.Parallel()
	const perDay = 5e9
	for name, devices := range map[string][]*resident{
		"at their own pace":    many(20, resident{periodMS: 400}),
		"one after the other":  many(20, resident{closed: true, thinkMS: 400}),
		"thirty, two a second": many(30, resident{periodMS: 600}),
		"at random":            many(20, resident{periodMS: 400, random: rand.New(rand.NewPCG(5, 6))}),
	} {
		x := newTown(most, devices...)
		x.run(10_000) // the burst is spent
		before, sent := x.commits, x.messages
		x.run(60_000)
		commits := float64(x.commits-before) / 60
		t.Logf("%s: %.1f commits/s for %.1f messages/s, the longest wait %d ms", name, commits, float64(x.messages-sent)/60, x.longest)
		if bytes := commits * commitCost * 86_400; bytes > perDay {
			t.Errorf("%s: %.1f GB a day", name, bytes/1e9)
		}
		if x.longest > most.Milliseconds()+2*x.commitMS {
			t.Errorf("%s: a message waited for %d ms", name, x.longest)
		}
	}
}

// Whoever sends the next message only after the answer is not slowed.
func TestAClosedLoopKeepsItsPace(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 3, 50} {
		for _, think := range []int64{1, 5, 15} {
			speed := func(most time.Duration, warm int64) float64 {
				x := newTown(most, many(n, resident{closed: true, thinkMS: think})...)
				x.run(warm)
				before := x.messages
				x.run(10_000)
				return float64(x.messages - before)
			}
			free, ours := speed(0, 2000), speed(most, 2000)
			if ours < 0.95*free {
				t.Errorf("%d devices that think %d ms: %.0f messages, %.0f without a window", n, think, ours, free)
			}
		}
	}
}

// A device that was slow and becomes quick is not held back by its past.
func TestAQuickerDeviceIsBelieved(t *testing.T) {
	t.Parallel()
	devices := many(50, resident{closed: true, thinkMS: 900})
	x := newTown(most, devices...)
	x.run(20_000)
	for _, d := range devices {
		d.thinkMS = 1
	}
	x.run(4_000)
	before := x.messages
	x.run(5_000)
	if per := (x.messages - before) / 5; per < 15_000 {
		t.Errorf("%d messages a second of 50 devices that could send 20,000", per)
	}
}

func TestTheFirstMessagesDoNotWait(t *testing.T) {
	t.Parallel()
	x := newTown(most, many(4, resident{periodMS: 2000})...)
	x.run(60_000)
	if x.longest > x.commitMS {
		t.Errorf("on an edge with time a message waited for %d ms", x.longest)
	}
}

func TestAnAlarmGoesAtOnceAndTakesAlongWhatWaits(t *testing.T) {
	t.Parallel()
	w := newWindow(most)
	w.tokens = 0
	w.begin(0)
	w.join(&verdict{batch: driver.Batch{Samples: make([]telemetry.Sample, 3)}}, 0)
	if d := w.wait(0); d <= 0 || d > most {
		t.Fatalf("waits for %v", d)
	}
	for name, v := range map[string]verdict{
		"a ticket":                  {born: make([]ticket.Transition, 1)},
		"a decision of the cloud":   {local: make([]ticket.Transition, 1)},
		"a checkpoint":              {checkpoint: []byte{1}},
		"a condition that goes on":  {found: true},
		"a group that pays for all": {batch: driver.Batch{Samples: make([]telemetry.Sample, 2*commitCost/sampleBytes)}},
	} {
		w := newWindow(most)
		w.tokens = 0
		w.begin(0)
		w.join(&verdict{}, 0)
		w.join(&v, time.Millisecond)
		if d := w.wait(time.Millisecond); d != 0 {
			t.Errorf("%s waits for %v", name, d)
		}
	}
}

func TestNothingWaitsForLongerThanTheWindow(t *testing.T) {
	t.Parallel()
	w := newWindow(most)
	w.tokens, w.at = 0, time.Second
	w.begin(time.Second)
	w.join(&verdict{}, time.Second)
	var waits []time.Duration
	for now := time.Second; ; {
		d := w.wait(now)
		if d == 0 {
			break
		}
		waits = append(waits, d)
		now += d
		w.tokens = 0 // whatever is spent meanwhile
	}
	sum := time.Duration(0)
	for _, d := range waits {
		sum += d
	}
	if sum != most || slices.Contains(waits, 0) {
		t.Errorf("waited for %v", waits)
	}
}
