package agendatest

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"

	"github.com/linshao/linshao/cloud/internal/agenda"
)

// Memory is the smallest Table that keeps the contract; it forgets all when
// the process ends.
type Memory struct {
	mu     sync.Mutex
	rows   map[string]*row // by Item key; guarded by mu
	claims int             // guarded by mu
}

type row struct {
	agenda.Work
	leaseUntilMS int64
}

var _ Table = (*Memory)(nil)

// NewMemory returns an empty Memory.
func NewMemory() *Memory { return &Memory{rows: map[string]*row{}} }

// Put implements Table.
func (m *Memory) Put(_ context.Context, it agenda.Item) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows[it.Key] = &row{Work: agenda.Work{Item: it}}
	return nil
}

// PutOnce implements Table.
func (m *Memory) PutOnce(_ context.Context, it agenda.Item) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.rows[it.Key] == nil {
		m.rows[it.Key] = &row{Work: agenda.Work{Item: it}}
	}
	return nil
}

// Cancel implements Table.
func (m *Memory) Cancel(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.rows, key)
	return nil
}

// Claim implements agenda.Store.
func (m *Memory) Claim(_ context.Context, c agenda.Claim) ([]agenda.Work, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var due []*row
	for _, r := range m.rows {
		if max(r.RunAtMS, r.leaseUntilMS) <= c.NowMS && (r.Urgent || !c.UrgentOnly) {
			due = append(due, r)
		}
	}
	slices.SortFunc(due, func(a, b *row) int {
		return cmp.Or(cmp.Compare(rank(a.Urgent), rank(b.Urgent)), cmp.Compare(a.RunAtMS, b.RunAtMS), cmp.Compare(a.Key, b.Key))
	})
	var works []agenda.Work
	for _, r := range due[:min(c.Limit, len(due))] {
		m.claims++
		r.Attempt, r.Lease, r.leaseUntilMS = r.Attempt+1, strconv.Itoa(m.claims), c.LeaseUntilMS
		works = append(works, r.Work)
	}
	return works, nil
}

func rank(urgent bool) int {
	if urgent {
		return 0
	}
	return 1
}

// NextDue implements agenda.Store.
func (m *Memory) NextDue(_ context.Context, urgentOnly bool) (int64, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var next int64
	found := false
	for _, r := range m.rows {
		if at := max(r.RunAtMS, r.leaseUntilMS); (r.Urgent || !urgentOnly) && (!found || at < next) {
			next, found = at, true
		}
	}
	return next, found, nil
}

// Renew implements agenda.Store.
func (m *Memory) Renew(_ context.Context, w agenda.Work, untilMS int64) error {
	return m.held(w, func(r *row) { r.leaseUntilMS = untilMS })
}

// Finish implements agenda.Store.
func (m *Memory) Finish(_ context.Context, w agenda.Work) error {
	return m.held(w, func(*row) { delete(m.rows, w.Key) })
}

// Retry implements agenda.Store.
func (m *Memory) Retry(_ context.Context, w agenda.Work, runAtMS int64) error {
	return m.held(w, func(r *row) { r.RunAtMS, r.Lease, r.leaseUntilMS = runAtMS, "", 0 })
}

func (m *Memory) held(w agenda.Work, then func(*row)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.rows[w.Key]
	if r == nil || r.Lease == "" || r.Lease != w.Lease {
		return agenda.ErrLeaseLost
	}
	then(r)
	return nil
}
