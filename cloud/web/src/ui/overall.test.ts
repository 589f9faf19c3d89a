import { expect, test } from 'vitest';
import { made } from '../features/tickets/made';
import { overall, type Picture } from './overall';

const edge = { id: 'gw', estate: 'sunrise', version: '1', online: true, last_seen: null, skew_ms: 0 };
const well: Picture = { link: 'live', loaded: true, unresolved: [], unmanned: [], edges: [edge] };

test('green only when everything is known to be well', () => {
  expect(overall(well)).toBe('normal');
  expect(overall({ ...well, loaded: false })).toBe('unknown');
  expect(overall({ ...well, link: 'lost' })).toBe('unknown');
  expect(overall({ ...well, edges: null })).toBe('unknown');
  expect(overall({ ...well, edges: [] })).toBe('unknown');
  expect(overall({ ...well, edges: [edge, { ...edge, online: false }] })).toBe('edgeDown');
});

test('the worst that is known is shown', () => {
  const critical = made('a', { severity: 'critical', state: 'accepted' });
  expect(overall({ ...well, unresolved: [made('b')] })).toBe('attention');
  expect(overall({ ...well, unmanned: ['sunrise'], unresolved: [made('b')] })).toBe('nobody');
  expect(overall({ ...well, unmanned: ['sunrise'], unresolved: [made('b'), critical] })).toBe('critical');
});
