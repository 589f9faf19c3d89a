package desk_test

import (
	"context"
	"slices"

	"github.com/linshao/linshao/cloud/internal/agenda"
	"github.com/linshao/linshao/cloud/internal/audit"
	"github.com/linshao/linshao/cloud/internal/desk"
	"github.com/linshao/linshao/protocol/ticket"
)

// memory is a Tx that is always open, for histories by the ten thousand. Its
// estate is one.
type memory struct {
	nowMS int64
	rows  map[ticket.ID]desk.Row
	alias map[ticket.ID]ticket.ID
	logs  map[ticket.ID][]ticket.Transition
	known map[string]bool
	chain map[string][]audit.Entry
}

var _ desk.Tx = (*memory)(nil)

func newMemory(nowMS int64) *memory {
	return &memory{
		nowMS: nowMS, rows: map[ticket.ID]desk.Row{}, alias: map[ticket.ID]ticket.ID{}, logs: map[ticket.ID][]ticket.Transition{},
		known: map[string]bool{}, chain: map[string][]audit.Entry{},
	}
}

func (m *memory) NowMS() int64                               { return m.nowMS }
func (m *memory) LockTickets(context.Context, string) error  { return nil }
func (m *memory) PutItem(context.Context, agenda.Item) error { return nil }
func (m *memory) AfterCommit(func())                         {}
func (m *memory) name(id ticket.ID) ticket.ID {
	if home, ok := m.alias[id]; ok {
		return home
	}
	return id
}

func (m *memory) TicketRow(_ context.Context, _ string, id ticket.ID) (desk.Row, bool, error) {
	r, ok := m.rows[m.name(id)]
	return r, ok, nil
}

func (m *memory) TicketByKey(_ context.Context, k ticket.Key) (found desk.Row, ok bool, err error) {
	for _, r := range m.rows {
		if r.Key() != k {
			continue
		}
		if r.State.Unresolved() {
			return r, true, nil
		}
		if !ok || r.RaisedMS > found.RaisedMS || r.RaisedMS == found.RaisedMS && r.ID > found.ID {
			found, ok = r, true
		}
	}
	return found, ok, nil
}

func (m *memory) SaveTicket(_ context.Context, r desk.Row) error {
	m.rows[r.ID] = r
	for _, a := range r.Aliases {
		m.alias[a] = r.ID
	}
	return nil
}

func (m *memory) KnownTransitions(_ context.Context, _ string, ids []string) (map[string]bool, error) {
	out := map[string]bool{}
	for _, id := range ids {
		if m.known[id] {
			out[id] = true
		}
	}
	return out, nil
}

func (m *memory) Transitions(_ context.Context, _ string, id ticket.ID) ([]ticket.Transition, error) {
	return slices.Clone(m.logs[id]), nil
}

func (m *memory) AddTransitions(_ context.Context, _ string, ts []ticket.Transition) error {
	for _, x := range ts {
		m.known[x.ID] = true
		m.logs[x.Ticket] = append(m.logs[x.Ticket], x)
	}
	return nil
}

func (m *memory) MoveTransitions(_ context.Context, _ string, from, to ticket.ID) error {
	for _, x := range m.logs[from] {
		x.Ticket = to
		m.logs[to] = append(m.logs[to], x)
	}
	delete(m.logs, from)
	return nil
}

func (m *memory) AuditHead(_ context.Context, _, chain string) (audit.Head, error) {
	if es := m.chain[chain]; len(es) > 0 {
		return es[len(es)-1].Head(), nil
	}
	return audit.Head{}, nil
}

func (m *memory) SaveAudit(_ context.Context, e audit.Entry) error {
	m.chain[e.Chain] = append(m.chain[e.Chain], e)
	return nil
}
