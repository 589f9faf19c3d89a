import { expect, test } from 'vitest';
import { linkOf, readChange, silenceMS } from './events';

test('an event that cannot be read does no harm', () => {
  expect(readChange('{}')).toBeNull();
  expect(readChange('not json')).toBeNull();
  expect(readChange('null')).toBeNull();
  expect(readChange('{"id":"t1","estate":"sunrise","at":"2026-11-22T20:01:05+08:00"}')?.id).toBe('t1');
});

test('the connection is called live only while the cloud is heard', () => {
  expect(linkOf(false, 0, 1000)).toBe('connecting');
  expect(linkOf(true, 1000, 2000)).toBe('live');
  expect(linkOf(false, 1000, 2000)).toBe('connecting');
  expect(linkOf(true, 1000, 1001 + silenceMS)).toBe('lost');
});
