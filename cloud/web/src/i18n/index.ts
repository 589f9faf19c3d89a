// Texts in the reader's language; everything that shows one follows `lang`.
import { signal } from '@preact/signals';
import { duration, type Units } from '../time/duration';
import { recall, remember } from '../ui/memory';
import { en } from './en';
import { type Shelf, shelves } from './words';
import { type Key, zh } from './zh';

export type { Key } from './zh';
export type Lang = 'zh' | 'en';

const texts: Record<Lang, Record<Key, string>> = { zh, en };

export const lang = signal<Lang>(recall('lang') === 'en' ? 'en' : 'zh');

export function setLang(l: Lang): void {
  lang.value = l;
  remember('lang', l);
  document.documentElement.lang = l === 'zh' ? 'zh-CN' : 'en';
}

export type Params = Record<string, string | number>;

/** The text of a key, with `{name}` filled in. */
export function t(key: Key, params?: Params): string {
  return fill(texts[lang.value][key], params);
}

/** As t, for keys made of a code: one that does not exist gives the fallback. */
export function tCode(prefix: string, code: string, fallback: string): string {
  const key = `${prefix}.${code}`;
  return hasKey(key) ? t(key) : fallback;
}

export function fill(text: string, params: Params = {}): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

function hasKey(k: string): k is Key {
  return Object.hasOwn(zh, k);
}

/** The word for a code of the domain; an unknown one with spaces. */
export function word(shelf: Shelf, code: string): string {
  const w = shelves[shelf][code];
  if (!w) return code.replaceAll('_', ' ');
  return lang.value === 'zh' ? w[0] : w[1];
}

export function units(): Units {
  return { day: t('unit.day'), hour: t('unit.hour'), minute: t('unit.minute'), second: t('unit.second'), gap: ' ' };
}

export function age(lengthMS: number): string {
  return duration(lengthMS, units());
}
