package dispatch_test

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/dispatch"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

// disk is what survives a crash.
type disk struct {
	log        []ticket.Transition
	plan       duty.Plan
	policies   []routing.Policy
	mutes      []routing.Mute
	deliveries map[string]routing.Delivery
	progress   map[ticket.ID]routing.Progress
	items      map[string]item
}

type item struct {
	agenda.Work
	leaseUntilMS int64
}

func (d disk) clone() disk {
	d.deliveries, d.progress, d.items = maps.Clone(d.deliveries), maps.Clone(d.progress), maps.Clone(d.items)
	return d
}

var errPower = errors.New("the power is off")

// memory is a Store that can lose power: from then on nothing commits.
type memory struct {
	disk   disk
	leases int
	// commits counts down to the cut; negative: never.
	commits int
}

func (m *memory) InTx(ctx context.Context, fn func(dispatch.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if m.commits == 0 {
		return errPower
	}
	tx := &memoryTx{m.disk.clone()}
	if err := fn(tx); err != nil {
		return err
	}
	m.commits--
	m.disk = tx.disk
	return nil
}

// claim leases the item that is due first.
func (m *memory) claim(nowMS int64) (agenda.Work, bool) {
	var due []item
	for _, it := range m.disk.items {
		if max(it.RunAtMS, it.leaseUntilMS) <= nowMS {
			due = append(due, it)
		}
	}
	if len(due) == 0 {
		return agenda.Work{}, false
	}
	it := slices.MinFunc(due, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.RunAtMS, b.RunAtMS), cmp.Compare(a.Key, b.Key))
	})
	m.leases++
	it.Attempt, it.Lease, it.leaseUntilMS = it.Attempt+1, strconv.Itoa(m.leases), nowMS+3000
	m.disk.items[it.Key] = it
	return it.Work, true
}

func (m *memory) next() (int64, bool) {
	var next int64
	for _, it := range m.disk.items {
		if at := max(it.RunAtMS, it.leaseUntilMS); next == 0 || at < next {
			next = at
		}
	}
	return next, next != 0
}

type memoryTx struct{ disk disk }

func (t *memoryTx) LockTickets(context.Context, string) error { return nil }

func (t *memoryTx) HoldWork(_ context.Context, w agenda.Work) error {
	if it, ok := t.disk.items[w.Key]; !ok || it.Lease != w.Lease || w.Lease == "" {
		return agenda.ErrLeaseLost
	}
	return nil
}

func (t *memoryTx) FinishWork(ctx context.Context, w agenda.Work) error {
	if err := t.HoldWork(ctx, w); err != nil {
		return err
	}
	delete(t.disk.items, w.Key)
	return nil
}

func (t *memoryTx) PutItem(_ context.Context, it agenda.Item) error {
	t.disk.items[it.Key] = item{Work: agenda.Work{Item: it}}
	return nil
}

func (t *memoryTx) CancelItem(_ context.Context, key string) error {
	delete(t.disk.items, key)
	return nil
}

func (t *memoryTx) Ticket(_ context.Context, estate string, id ticket.ID) (ticket.Ticket, bool, error) {
	tk, ok := ticket.Fold(t.disk.log)
	return tk, ok && tk.ID == id && tk.Estate == estate, nil
}

func (t *memoryTx) DutyPlan(context.Context, string) (duty.Plan, error) { return t.disk.plan, nil }
func (t *memoryTx) Policies(context.Context, string) ([]routing.Policy, error) {
	return t.disk.policies, nil
}

func (t *memoryTx) Mutes(context.Context, string) ([]routing.Mute, error) { return t.disk.mutes, nil }

func (t *memoryTx) Progress(_ context.Context, _ string, id ticket.ID) (routing.Progress, error) {
	return t.disk.progress[id], nil
}

func (t *memoryTx) SaveProgress(_ context.Context, _ string, id ticket.ID, p routing.Progress) error {
	t.disk.progress[id] = p
	return nil
}

func (t *memoryTx) Deliveries(_ context.Context, _ string, id ticket.ID) ([]routing.Delivery, error) {
	var out []routing.Delivery
	for _, d := range t.disk.deliveries {
		if d.Ticket == id {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b routing.Delivery) int { return cmp.Compare(a.ID, b.ID) })
	return out, nil
}

func (t *memoryTx) Delivery(_ context.Context, _, id string) (routing.Delivery, bool, error) {
	d, ok := t.disk.deliveries[id]
	return d, ok, nil
}

func (t *memoryTx) SaveDelivery(_ context.Context, d routing.Delivery) error {
	t.disk.deliveries[d.ID] = d
	return nil
}
