import { afterEach, expect, test } from 'vitest';
import type { Gap } from '../../api/types';
import { lang } from '../../i18n';
import { told } from './Gaps';

const gap: Gap = {
  estate: 'sunrise',
  edge: 's1',
  log: 'samples',
  records: 1200,
  reason: 'dropped_full',
  from: '2026-11-22T10:02:11+08:00',
  to: '2026-11-22T10:07:40+08:00',
  heard_at: '2026-11-22T10:09:00+08:00',
};

afterEach(() => {
  lang.value = 'zh';
});

test('a gap says from when to when, how much, what and why', () => {
  expect(told(gap, 2026)).toBe('11-22 10:02–10:07:丢失 1,200 条数据记录,原因:磁盘已满');
  lang.value = 'en';
  expect(told(gap, 2026)).toBe('11-22 10:02–10:07: 1,200 records of samples lost: disk full');
  expect(told({ ...gap, to: '2026-11-23T00:10:00+08:00', log: 'alarm' }, 2027)).toBe(
    '2026-11-22 10:02 – 2026-11-23 00:10: 1,200 records of alarms lost: disk full',
  );
});

test('what nobody knows is not made up', () => {
  lang.value = 'en';
  expect(told({ ...gap, from: null, to: null, reason: 'rejected_wrong_lane' }, 2026)).toBe(
    'time unknown, reported 11-22 10:09: 1,200 records of samples lost: rejected wrong lane',
  );
});
