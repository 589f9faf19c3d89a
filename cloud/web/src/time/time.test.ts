import { expect, test } from 'vitest';
import { offsetFrom } from './clock';
import { duration } from './duration';
import { clockSeconds, clockTime, dayTime, full, ms } from './instant';

const zh = { day: '天', hour: '小时', minute: '分', second: '秒', gap: ' ' };

test.each([
  [0, '0 秒'],
  [-5000, '0 秒'],
  [59_999, '59 秒'],
  [60_000, '1 分'],
  [750_000, '12 分 30 秒'],
  [3_600_000, '1 小时'],
  [7_500_000, '2 小时 5 分'],
  [3_605_000, '1 小时'],
  [273_600_000, '3 天 4 小时'],
])('%i ms reads %s', (length, want) => {
  expect(duration(length, zh)).toBe(want);
});

test("an instant is shown in the estate's own time, wherever the reader is", () => {
  const at = '2026-11-22T20:01:05.123+08:00';
  expect(clockTime(at)).toBe('20:01');
  expect(clockSeconds(at)).toBe('20:01:05');
  expect(dayTime(at, 2026)).toBe('11-22 20:01');
  expect(dayTime(at, 2027)).toBe('2026-11-22 20:01');
  expect(full(at)).toBe('2026-11-22 20:01:05');
  expect(ms(at)).toBe(Date.UTC(2026, 10, 22, 12, 1, 5, 123));
});

test('no instant is a dash, never "Invalid Date"', () => {
  for (const at of [null, undefined, '', 'soon']) {
    expect(clockTime(at)).toBe('–');
    expect(full(at)).toBe('–');
    expect(ms(at)).toBeNull();
  }
});

test('a browser clock that is minutes off is corrected, jitter is not chased', () => {
  expect(offsetFrom(1_000_000, 1_000_900)).toBe(0);
  expect(offsetFrom(1_000_000, 1_300_000)).toBe(-299_500);
});
