// From the API's points to what a chart draws: columns, x in seconds.
import type { Evidence, Series } from '../../api/types';
import { ms } from '../../time/instant';

export type Column = (number | null)[];
export type Columns = [number[], ...Column[]];

/** Buckets [ms, min, mean, max] as [x, mean, min, max]. */
export function bandOf(s: Series): Columns {
  const rows = (s.points ?? []).filter((p) => p !== null);
  const column = (i: number): Column => rows.map((p) => p[i] ?? null);
  return [rows.map((p) => (p[0] ?? 0) / 1000), column(2), column(1), column(3)];
}

/** Raw samples and the evidence as [x, value, evidence]; a bad sample is a hole in the line. */
export function withEvidence(s: Series, metric: string, evidence: readonly Evidence[]): Columns {
  const line = new Map<number, number | null>();
  for (const p of s.points ?? []) if (p) line.set(p[0] ?? 0, p[1] ?? null);
  const proof = new Map<number, number>();
  for (const e of evidence) {
    const at = ms(e.at);
    if (e.metric === metric && at !== null) proof.set(at, e.value);
  }
  const xs = [...new Set([...line.keys(), ...proof.keys()])].sort((a, b) => a - b);
  // Where there is evidence but no stored sample, the line passes by it.
  const value = (x: number) => (line.has(x) ? (line.get(x) ?? null) : (proof.get(x) ?? null));
  return [xs.map((x) => x / 1000), xs.map(value), xs.map((x) => proof.get(x) ?? null)];
}

/** A bucket length that gives about 300 buckets, in whole seconds. */
export function stepFor(spanMS: number): string {
  return `${Math.max(1, Math.ceil(spanMS / 300_000))}s`;
}

/** The time to show around a ticket: from before it was raised until it was over, at most two hours. */
export function windowAround(raisedMS: number, endMS: number): { fromMS: number; toMS: number } {
  const before = 10 * 60_000;
  const after = 5 * 60_000;
  return { fromMS: raisedMS - before, toMS: Math.min(endMS + after, raisedMS + 110 * 60_000) };
}
