import { expect, test } from 'vitest';
import type { Latest } from '../../api/types';
import { headline, number, reach, valueCode } from './reading';

const t0 = Date.parse('2026-11-22T12:00:00Z');
const value = (metric: string, v: number | null, ageMS = 0, quality: Latest['quality'] = 'good'): Latest => ({
  metric,
  at: new Date(t0 - ageMS).toISOString(),
  value: v,
  unit: '',
  quality,
  device_at: null,
  edge_at: null,
  received_at: null,
  marks: [],
});

test('unknown is never online', () => {
  expect(reach(undefined, t0)).toBe('unknown');
  expect(reach([], t0)).toBe('unknown');
  expect(reach([value('door', 0, 20 * 60_000)], t0)).toBe('unknown');
  expect(reach([value('online', 1, 20 * 60_000)], t0)).toBe('unknown');
});

test('a device that says so is offline, however fresh its other values', () => {
  expect(reach([value('online', 0), value('door', 1)], t0)).toBe('offline');
  expect(reach([value('online', 1, 3_600_000), value('door', 1)], t0)).toBe('online');
});

test('a device of which every value is bad is offline', () => {
  expect(reach([value('door', null, 0, 'bad')], t0)).toBe('offline');
});

test('a row shows the most telling values first', () => {
  const values = ['zebra', 'motor_temp', 'online', 'door', 'floor'].map((m) => value(m, 1));
  expect(headline(values, 3).map((v) => v.metric)).toEqual(['floor', 'door', 'motor_temp']);
});

test('values read as people say them', () => {
  expect([number(3), number(2.5), number(0.1 + 0.2), number(-0.001)]).toEqual(['3', '2.5', '0.3', '0']);
  const door = { metric: 'door', unit: '', enum: { '0': 'closed', '1': 'open' } };
  expect(valueCode('door', door, 1)).toBe('open');
  expect(valueCode('door', door, 2)).toBeUndefined();
  expect([valueCode('trapped', undefined, 1), valueCode('trapped', undefined, 0)]).toEqual(['yes', 'no']);
  expect(valueCode('floor', undefined, 1)).toBeUndefined();
});
