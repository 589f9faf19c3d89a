import { expect, test } from 'vitest';
import { newKey } from './key';

test('a key is made where randomUUID is missing, as on plain HTTP', () => {
  const source = { getRandomValues: crypto.getRandomValues.bind(crypto) };
  const keys = new Set(Array.from({ length: 100 }, () => newKey(source)));
  expect(keys.size).toBe(100);
  for (const k of keys) expect(k).toMatch(/^[0-9a-f]{32}$/);
});

test('randomUUID is used where it exists', () => {
  expect(newKey()).toMatch(/^[0-9a-f-]{36}$/);
});
