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

/** Metrics that are only ever 0 or 1; the API does not say which those are. */
const flags = new Set([
  'alarm_key',
  'at_level',
  'charging',
  'door_cycling',
  'door_held',
  'door_open_off_zone',
  'estop',
  'going_down',
  'going_up',
  'inspection',
  'moving_door_open',
  'online',
  'overspeed',
  'overtravel',
  'person',
  'power_cut',
  'run_timeout',
  'stopped_off_zone',
  'tamper',
  'trapped',
  'trapped_level',
  'trapped_off_level',
]);

/** The code of a value's word: of the profile's enum, or yes and no for a flag. */
export function valueCode(metric: string, p: Point | undefined, value: number): string | undefined {
  const code = p?.enum?.[String(value)];
  if (code) return code;
  if (!flags.has(metric)) return undefined;
  return value === 1 ? 'yes' : value === 0 ? 'no' : undefined;
}

/** A metric that jumps between states rather than moves. */
export function isStepped(p: Point | undefined): boolean {
  return p === undefined || p.unit === '';
}
