import { expect, test } from 'vitest';
import { bandOf, stepFor, windowAround, withEvidence } from './chartData';

test('buckets become a line with a band', () => {
  const s = {
    unit: '°C',
    points: [
      [1000, 1, 2, 3],
      [2000, 4, 5, 6],
    ],
  };
  expect(bandOf(s)).toEqual([
    [1, 2],
    [2, 5],
    [1, 4],
    [3, 6],
  ]);
  expect(bandOf({ unit: '', points: null })).toEqual([[], [], [], []]);
});

test('a bad sample leaves a hole; evidence lies on the line, of its own metric only', () => {
  const s = {
    unit: '',
    points: [
      [1000, 0],
      [3000, null],
      [4000, 1],
    ],
  };
  const at = (ms: number) => new Date(ms).toISOString();
  const proof = [
    { metric: 'trapped', at: at(2000), value: 1 },
    { metric: 'door', at: at(2500), value: 1 },
  ];
  expect(withEvidence(s, 'trapped', proof)).toEqual([
    [1, 2, 3, 4],
    [0, 1, null, 1],
    [null, 1, null, null],
  ]);
});

test('a chart asks for about 300 buckets, never below a second', () => {
  expect([stepFor(60_000), stepFor(3_600_000), stepFor(86_400_000)]).toEqual(['1s', '12s', '288s']);
});

test('the window begins before the ticket and ends with it', () => {
  const raised = 10_000_000;
  expect(windowAround(raised, raised + 60_000)).toEqual({ fromMS: raised - 600_000, toMS: raised + 360_000 });
  expect(windowAround(raised, raised + 86_400_000).toMS).toBe(raised + 6_600_000);
});
