// Tickets for tests.
import type { Ticket } from '../../api/types';

/** An ISO instant some seconds into a made-up day. */
export function at(s: number): string {
  return new Date(Date.UTC(2026, 10, 22, 12, 0, s)).toISOString();
}

export function made(id: string, change: Partial<Ticket> = {}): Ticket {
  return {
    id,
    aliases: [],
    key: `sunrise/lift-1/${id}/trapped`,
    estate: 'sunrise',
    edge: 'gw',
    device: 'lift-1',
    kind: 'elevator',
    location: '3号楼2单元',
    rule: 'entrapment',
    metric: 'trapped',
    fault: 'door_held',
    title: { code: 'door_held', params: {}, text: '门未关' },
    severity: 'minor',
    state: 'open',
    outcome: '',
    condition: 'active',
    raised_at: at(0),
    received_at: at(1),
    accepted_at: null,
    arrived_at: null,
    resolved_at: null,
    closed_at: null,
    cleared_at: null,
    assignee: '',
    due: { accept_by: at(1800), arrive_by: at(3600), resolve_by: at(7200), feedback_by: null },
    occurrences: 1,
    escalations: 0,
    evidence: [],
    ...change,
  };
}
