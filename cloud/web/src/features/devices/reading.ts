// How a device's values read, and whether it can be trusted to be alive.
import type { Latest, Point } from '../../api/types';
import { ms } from '../../time/instant';

export type Reach = 'online' | 'offline' | 'unknown';

/** Older than this, the last word about a device is no longer its state. */
const fresh = 10 * 60_000;

/** Unknown is never green: no data and old data are unknown, whatever they once said. */
export function reach(values: readonly Latest[] | undefined, nowMS: number): Reach {
  if (!values || values.length === 0) return 'unknown';
  const online = values.find((v) => v.metric === 'online');
  if (online?.value === 0) return 'offline';
  const newest = newestMS(values);
  if (newest === null || nowMS - newest > fresh) return 'unknown';
  return values.some((v) => v.quality !== 'bad') ? 'online' : 'offline';
}

export function newestMS(values: readonly Latest[]): number | null {
  const times = values.map((v) => ms(v.at)).filter((t) => t !== null);
  return times.length > 0 ? Math.max(...times) : null;
}

/** Metrics worth a place in a list's row, most telling first. */
const telling = [
  'trapped',
  'person',
  'floor',
  'door',
  'locked',
  'state',
  'mode',
  'battery',
  'speed',
  'motor_temp',
  'supply_voltage',
  'passages',
];

export function headline(values: readonly Latest[], count = 4): Latest[] {
  const rank = (v: Latest) => {
    const i = telling.indexOf(v.metric);
    return i < 0 ? telling.length : i;
  };
  return values
    .filter((v) => v.metric !== 'online')
    .sort((a, b) => rank(a) - rank(b) || a.metric.localeCompare(b.metric))
    .slice(0, count);
}

/** A number for people: at most two decimals, none where they say nothing. */
export function number(v: number): string {
  return String(Math.round(v * 100) / 100);
}

/** The enum's code for a value, if the point has one. */
export function enumCode(p: Point | undefined, value: number): string | undefined {
  return p?.enum?.[String(value)];
}

/** A metric that jumps between states rather than moves. */
export function isStepped(p: Point | undefined): boolean {
  return p === undefined || p.unit === '';
}
