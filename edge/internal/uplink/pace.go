package uplink

import "time"

// Bounds of the budget, and what counts as a quick and as a slow answer. A
// keep-alive that waits behind the budget must still be answered within its 4 s,
// an alarm sooner; so the budget grows only while answers take less than
// a quarter of that. At 8 kB/s it stays at its least.
const (
	leastBudget = 8 << 10
	mostBudget  = 1 << 20
	quick       = time.Second
	slow        = 3 * time.Second
)

// pace finds out how many bytes of samples may be on the way: enough to keep a
// fast line busy between two group commits of the cloud, and so little on a
// thin one that what comes behind does not wait. Each connection starts anew,
// with the least.
type pace struct{ budget int }

func newPace() pace { return pace{budget: leastBudget} }

// answered learns that n bytes had their Receipt after took: quick answers
// double the budget per window, slow ones halve it.
func (p *pace) answered(n int, took time.Duration) {
	switch {
	case took < quick:
		p.budget = min(p.budget+n, mostBudget)
	case took > slow:
		p.budget = max(p.budget/2, leastBudget)
	}
}

// envelope is how large the content of one Envelope of samples may be: several
// share the budget, but not so small that the frame outweighs the content.
func (p *pace) envelope() int { return max(leastBudget, min(samplesBytes, p.budget/2)) }

// share divides the line between live and backfill: live goes first, but not
// more than its half while backfill waits as well.
type share struct{ ahead int } // bytes that live is ahead of backfill

// shareSlack is how much one may get ahead: what a lane did not want is not
// owed to it later.
const shareSlack = 64 << 10

func (s *share) liveFirst() bool { return s.ahead <= 0 }

func (s *share) sent(live bool, n int) {
	if !live {
		n = -n
	}
	s.ahead = max(-shareSlack, min(shareSlack, s.ahead+n))
}
