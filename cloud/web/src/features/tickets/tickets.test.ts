import { describe, expect, test } from 'vitest';
import type { Action, Ticket } from '../../api/types';
import { allowed, mayAct, mayActAs, nextStep } from './allowed';
import { byTimeLeft, deadline, span } from './deadline';
import { matches, usual } from './filter';
import { at, made } from './made';
import { merge, nothing, put, replaceUnresolved } from './merge';

const due = (s: number): Partial<Ticket> => ({
  due: { accept_by: at(s), arrive_by: null, resolve_by: null, feedback_by: null },
});

describe('the clock that runs', () => {
  test('follows the state of the ticket', () => {
    expect(deadline(made('a'))).toEqual({ what: 'accept', atMS: Date.parse(at(1800)) });
    expect(deadline(made('a', { state: 'accepted' }))?.what).toBe('arrive');
    expect(deadline(made('a', { state: 'arrived' }))?.what).toBe('resolve');
    expect(deadline(made('a', { state: 'resolved' }))).toBeNull();
  });

  test('is the resolve clock where the nearer one is not set', () => {
    const t = made('a', { due: { accept_by: null, arrive_by: null, resolve_by: at(9), feedback_by: null } });
    expect(deadline(t)?.what).toBe('resolve');
  });

  test('of duration freezes when resolved', () => {
    const later = Date.parse(at(500));
    expect(span(made('a'), later)).toEqual({ lengthMS: 500_000, running: true });
    expect(span(made('a', { state: 'closed', resolved_at: at(60) }), later)).toEqual({
      lengthMS: 60_000,
      running: false,
    });
  });
});

test('the queue shows least time left first, then clockless ones, then what is done', () => {
  const list = [
    made('done-old', { state: 'closed', closed_at: at(5), resolved_at: at(4) }),
    made('clockless', { due: { accept_by: null, arrive_by: null, resolve_by: null, feedback_by: null } }),
    made('later', due(900)),
    made('done-new', { state: 'resolved', resolved_at: at(50) }),
    made('overdue', due(-60)),
    made('same-critical', { ...due(300), severity: 'critical' }),
    made('same-minor', due(300)),
  ];
  expect(list.sort(byTimeLeft).map((t) => t.id)).toEqual([
    'overdue',
    'same-critical',
    'same-minor',
    'later',
    'clockless',
    'done-new',
    'done-old',
  ]);
});

describe('merging', () => {
  test('an event that came while a list was on its way wins over the list', () => {
    let k = put(nothing, made('a', { state: 'accepted' }), 100);
    k = replaceUnresolved(k, [made('a', { state: 'open' })], 90);
    expect(k.tickets.get('a')?.state).toBe('accepted');
    k = replaceUnresolved(k, [made('a', { state: 'arrived' })], 110);
    expect(k.tickets.get('a')?.state).toBe('arrived');
  });

  test('a new ticket that the list could not know stays', () => {
    let k = put(nothing, made('new'), 100);
    k = replaceUnresolved(k, [], 90);
    expect(k.tickets.has('new')).toBe(true);
  });

  test('an unresolved ticket that the full list no longer has is gone, a resolved one stays', () => {
    let k = merge(nothing, [made('gone'), made('done', { state: 'resolved' })], 10);
    k = replaceUnresolved(k, [made('here')], 20);
    expect([...k.tickets.keys()].sort()).toEqual(['done', 'here']);
  });

  test('a merged ticket vanishes and does not come back with a late list', () => {
    let k = merge(nothing, [made('a'), made('b')], 10);
    k = put(k, made('a', { aliases: ['b'] }), 50);
    expect([...k.tickets.keys()]).toEqual(['a']);
    k = merge(k, [made('b')], 40);
    expect([...k.tickets.keys()]).toEqual(['a']);
  });

  test('an event without timeline keeps the one that was read', () => {
    const entry = { id: 'x', kind: 'raise', at: at(0), by_kind: 'rule', by: 'r' };
    let k = put(nothing, made('a', { timeline: [entry] }), 10);
    k = put(k, made('a', { state: 'accepted' }), 20);
    expect(k.tickets.get('a')?.timeline).toEqual([entry]);
    expect(k.tickets.get('a')?.state).toBe('accepted');
  });

  test('what was known before is not changed in place', () => {
    const k = put(nothing, made('a'), 1);
    put(k, made('b'), 2);
    merge(k, [made('c')], 3);
    expect([...k.tickets.keys()]).toEqual(['a']);
  });
});

describe('what may be done', () => {
  const all: Action[] = [
    'accept',
    'arrive',
    'resolve',
    'close',
    'reopen',
    'transfer',
    'escalate',
    'comment',
    'false-alarm',
  ];
  const can = (t: Ticket) => all.filter((a) => allowed(t, a));

  test('to an entrapment before arrival: neither resolve nor false alarm', () => {
    const trapped = { fault: 'entrapment', severity: 'critical' } as const;
    expect(can(made('a', trapped))).toEqual(['accept', 'arrive', 'transfer', 'escalate', 'comment']);
    expect(can(made('a', { ...trapped, state: 'arrived' }))).toContain('resolve');
  });

  test('to one that is done: follow up or take up again', () => {
    expect(can(made('a', { state: 'resolved' }))).toEqual(['close', 'reopen', 'comment']);
    expect(can(made('a', { state: 'closed' }))).toEqual(['reopen', 'comment']);
  });

  test('next follows the ladder', () => {
    const states = ['open', 'accepted', 'arrived', 'resolved', 'closed'] as const;
    expect(states.map((state) => nextStep(made('a', { state })))).toEqual([
      'accept',
      'arrive',
      'resolve',
      'close',
      null,
    ]);
  });

  test('depends on the role', () => {
    const me = (role: 'viewer' | 'patrol' | 'dispatcher') => ({
      kind: 'user' as const,
      name: 'n',
      role,
      staff: '',
      estates: [],
    });
    expect([mayAct(null), mayAct(me('viewer')), mayAct(me('patrol'))]).toEqual([false, false, true]);
    expect([mayActAs(me('patrol')), mayActAs(me('dispatcher'))]).toEqual([false, true]);
  });
});

test('filters narrow by state, severity, estate and words', () => {
  const t = made('a', { state: 'accepted', severity: 'major' });
  expect(matches(t, usual)).toBe(true);
  expect(matches(t, { ...usual, state: 'open' })).toBe(false);
  expect(matches(t, { ...usual, state: 'all', severity: 'major' })).toBe(true);
  expect(matches(t, { ...usual, estate: 'harmony' })).toBe(false);
  expect(matches(t, { ...usual, text: '3号楼 LIFT-1' })).toBe(true);
  expect(matches(t, { ...usual, text: '4号楼' })).toBe(false);
  expect(matches(made('a', { state: 'closed' }), usual)).toBe(false);
});
