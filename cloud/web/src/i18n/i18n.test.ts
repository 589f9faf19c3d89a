import { describe, expect, test } from 'vitest';
import { en } from './en';
import { fill } from './index';
import units from './index.ts?raw';
import { shelves } from './words';
import { zh } from './zh';

const chinese = /\p{Script=Han}/u;

describe('the catalogue', () => {
  test('has the same keys in both languages', () => {
    expect(Object.keys(en).sort()).toEqual(Object.keys(zh).sort());
  });

  test('has no Chinese value without Chinese in it', () => {
    const fine = new Set(['lang.other']); // the switch names the other language in that language
    const bare = Object.entries(zh).filter(([k, v]) => !chinese.test(v) && !fine.has(k));
    expect(bare).toEqual([]);
  });

  test('has no Chinese left in English', () => {
    const left = Object.entries(en).filter(([k, v]) => chinese.test(v) && k !== 'lang.other');
    expect(left).toEqual([]);
  });

  test('asks for the same parameters in both languages', () => {
    const params = (s: string) => [...s.matchAll(/\{\w+\}/g)].map((m) => m[0]).sort();
    for (const [k, v] of Object.entries(zh)) expect([k, params(en[k as keyof typeof zh])]).toEqual([k, params(v)]);
  });

  test('has both languages for every word of the domain', () => {
    for (const shelf of Object.values(shelves)) {
      for (const [code, [z, e]] of Object.entries(shelf)) {
        expect(chinese.test(z), `${code}: ${z}`).toBe(true);
        expect(chinese.test(e), `${code}: ${e}`).toBe(false);
      }
    }
  });
});

describe('the components', () => {
  const everything = import.meta.glob<string>('../**/*.{ts,tsx}', { query: '?raw', import: 'default', eager: true });
  const ours = Object.entries(everything).filter(
    ([f]) => f.startsWith('../') && !/\.test\.ts$|\.d\.ts$|\/made\.ts$/.test(f),
  );
  const guilty = (test: (file: string, source: string) => boolean) =>
    ours.filter(([f, source]) => test(f, withoutComments(source))).map(([f]) => f);

  test('hold no Chinese text of their own', () => {
    expect(ours.length).toBeGreaterThan(20);
    expect(guilty((_, source) => chinese.test(source))).toEqual([]);
  });

  test('hold no English text of their own', () => {
    const text = />\s*[A-Za-z][A-Za-z ,.!?']{2,}\s*<\/|(?:aria-label|title|placeholder|alt)="[^"]*[A-Za-z]/;
    expect(guilty((f, source) => f.endsWith('.tsx') && text.test(source))).toEqual([]);
  });

  test('use every key', () => {
    const all = ours.map(([, source]) => source).join('\n');
    const made = [...all.matchAll(/`([a-z]+)\.\$\{/g)].map((m) => `${m[1]}.`);
    const coded = [...all.matchAll(/tCode\('([a-z]+)'/g)].map((m) => `${m[1]}.`);
    const prefixes = new Set([...made, ...coded]);
    const unused = Object.keys(zh).filter(
      (k) => !all.includes(`'${k}'`) && !units.includes(`'${k}'`) && !prefixes.has(`${k.split('.')[0]}.`),
    );
    expect(unused).toEqual([]);
  });
});

test('parameters are filled in once, unknown ones stay', () => {
  expect(fill('{a} {b}', { a: '{b}', c: 1 })).toBe('{b} {b}');
  expect(fill('{count} 张', { count: 0 })).toBe('0 张');
});

function withoutComments(source: string): string {
  return source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/(^|\s)\/\/.*$/gm, '$1');
}
