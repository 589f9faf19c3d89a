import { afterEach, expect, test } from 'vitest';
import type { Latest } from '../../api/types';
import { lang } from '../../i18n';
import { dayTold, odd } from './Marks';

const value: Latest = {
  metric: 'floor',
  at: '2026-11-22T12:00:00+08:00',
  value: 3,
  unit: '',
  quality: 'good',
  device_at: '2031-01-01T00:00:00+08:00',
  edge_at: '2027-11-22T12:00:00+08:00',
  received_at: '2026-11-22T12:00:01+08:00',
  marks: [],
};
const words = (v: Partial<Latest>) => odd({ ...value, ...v }, 2026).map((m) => m.word);

afterEach(() => {
  lang.value = 'zh';
});

test('each odd time is said in words', () => {
  const marks = ['receive_time', 'clock_untrusted', 'historical', 'nudged', 'clock_corrected'];
  expect(words({ marks })).toEqual(['迟到', '设备时钟有误', '网关时钟不可信', '时间已校正']);
  lang.value = 'en';
  expect(words({ marks })).toEqual(['late', 'device clock wrong', 'gateway clock uncertain', 'time corrected']);
  expect(odd({ ...value, marks: ['receive_time', 'clock_corrected'] }, 2026).map((m) => m.hint)).toEqual([
    'The device said 2031-01-01 00:00, so the time of receipt counts',
    'The gateway’s clock said 2027-11-22 12:00; its error is known and taken off',
  ]);
});

test('a device without a clock is not odd, nor is a millisecond', () => {
  expect(words({ marks: ['receive_time', 'nudged'], device_at: null })).toEqual([]);
  expect(words({ marks: null })).toEqual([]);
});

test('a day says how many, why and by how much', () => {
  const day = {
    day: '2026-11-22',
    samples: 1200,
    corrected: 1000,
    untrusted: 0,
    disbelieved: 0,
    late: 200,
    most_ms: 10_800_000,
    first_at: null,
    last_at: null,
  };
  expect(dayTold(day)).toBe('2026-11-22:1,200 个值(校正 1,000 个 · 迟到 200 个),最大偏差 3 小时');
  lang.value = 'en';
  expect(dayTold(day)).toBe('2026-11-22: 1,200 values (1,000 corrected · 200 late), off by up to 3 h');
});
