// What the stream tells, as it comes over the wire.
import type { components } from '../api/schema';

export type Change = components['schemas']['ChangeView'];

export const eventNames = ['hello', 'reset', 'ticket', 'delivery', 'device', 'edge'] as const;
export type EventName = (typeof eventNames)[number];

/** The data of an event; null where it is none (hello, reset) or cannot be read. */
export function readChange(data: string): Change | null {
  try {
    const v: unknown = JSON.parse(data);
    return isChange(v) ? v : null;
  } catch {
    return null;
  }
}

function isChange(v: unknown): v is Change {
  return typeof v === 'object' && v !== null && 'id' in v && typeof v.id === 'string' && 'estate' in v;
}

export type Link = 'live' | 'connecting' | 'lost';

/** No word for this long is no contact, whatever the socket believes. */
export const silenceMS = 30_000;

/** How much what is shown can be trusted. */
export function linkOf(streaming: boolean, heardAtMS: number, nowMS: number): Link {
  if (heardAtMS === 0) return 'connecting';
  if (nowMS - heardAtMS > silenceMS) return 'lost';
  return streaming ? 'live' : 'connecting';
}
