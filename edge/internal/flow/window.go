package flow

import "time"

// What a commit costs. However little it holds, a commit rewrites whole pages
// of the flash below, so that commits are paid for by two things: a rate that
// any flash can bear for years (5 GB a day are 58 KB/s, of which some are
// samples and the outbox's own notes), and a share of what is written anyway.
const (
	// commitCost is what a small commit writes below the file system, in bytes.
	commitCost = 8 << 10
	// baseRate is the overhead that is always allowed, in bytes a second.
	baseRate = 36_000
	// payloadShare is the overhead that each byte of content allows.
	payloadShare = 0.5
	// burst is how much unspent overhead is kept, in bytes: the first messages
	// after a quiet time do not wait.
	burst = 128 << 10
	// sampleBytes is about what a Sample takes in the log.
	sampleBytes = 12
	// impatience is how soon after its answer a device that waits for answers
	// sends again; it is subtracted from its patience.
	impatience = 20 * time.Millisecond
)

// window decides when a group is committed: at once, as long as the overhead
// is paid for, and else when it has waited for as long as its senders can bear.
// A device that sends the next message only after the answer to the last one is
// slowed by every wait; so no group waits for longer than the quickest of its
// devices took from the last answer to this message, less impatience. Whoever
// sends at a pace of its own, and polls, wait up to most.
//
// It is pure but for its memory, and not safe for concurrent use.
type window struct {
	// most is the longest wait; 0: none ever waits.
	most time.Duration
	// tokens are bytes of overhead that may be spent, as of at.
	tokens float64
	at     time.Duration
	// senders are the devices that wait for answers.
	senders map[string]*sender
	// due is when the group at hand goes at the latest, payload its content.
	due     time.Duration
	payload int
	urgent  bool
}

// sender is the pace of one device.
type sender struct {
	answered, thinks time.Duration
	// asked: nothing was heard since the answer; known: thinks is measured.
	asked, known bool
}

func newWindow(most time.Duration) *window {
	return &window{most: max(most, 0), tokens: burst, senders: map[string]*sender{}}
}

// begin starts a group at the monotonic time now.
func (w *window) begin(now time.Duration) { w.due, w.payload, w.urgent = now+w.most, 0, false }

// join adds a verdict that was made at the monotonic time at.
func (w *window) join(v *verdict, at time.Duration) {
	w.payload += sampleBytes * len(v.batch.Samples)
	for i := range v.batch.Events {
		w.payload += sampleBytes + len(v.batch.Events[i].Data)
	}
	w.urgent = w.urgent || v.urgent()
	if v.done == nil || w.most == 0 {
		return
	}
	s := w.senders[v.batch.Device]
	if s == nil {
		s = &sender{}
		w.senders[v.batch.Device] = s
	}
	s.heard(at)
	if s.known {
		w.due = min(w.due, at+max(s.thinks-impatience, 0))
	}
}

// heard learns the time between an answer and the first message after it, on
// average: one that happens to come soon after an answer shows no haste.
func (s *sender) heard(at time.Duration) {
	if !s.asked || at < s.answered {
		return // it did not wait for the answer
	}
	took := at - s.answered
	if !s.known {
		s.thinks = took
	}
	s.thinks += (took - s.thinks) / 4
	s.asked, s.known = false, true
}

// wait is how long the group should still wait; 0: it goes now.
func (w *window) wait(now time.Duration) time.Duration {
	w.refill(now)
	lacks := commitCost - w.tokens - payloadShare*float64(w.payload)
	if w.urgent || lacks <= 0 || now >= w.due {
		return 0
	}
	paid := time.Duration(lacks / baseRate * float64(time.Second))
	return min(max(paid, time.Millisecond), w.due-now)
}

func (w *window) refill(now time.Duration) {
	w.tokens = min(burst, w.tokens+baseRate*max(now-w.at, 0).Seconds())
	w.at = now
}

// spent pays for the group. Debts are forgotten: what had to go at once does not
// hold up what follows for longer than one commit.
func (w *window) spent(now time.Duration) {
	w.refill(now)
	w.tokens = max(w.tokens+payloadShare*float64(w.payload)-commitCost, 0)
}

// answered notes that a device has its answer.
func (w *window) answered(v *verdict, now time.Duration) {
	if s := w.senders[v.batch.Device]; s != nil && v.done != nil {
		s.answered, s.asked = now, true
	}
}
