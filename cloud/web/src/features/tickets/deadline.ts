// Which clock of a ticket runs now, and how urgent that makes it.
import type { Ticket } from '../../api/types';
import { severities } from '../../api/types';
import { ms } from '../../time/instant';

export interface Deadline {
  what: 'accept' | 'arrive' | 'resolve';
  atMS: number;
}

/** The clock that runs: accept while open, arrive once accepted, then resolve. */
export function deadline(t: Ticket): Deadline | null {
  const { accept_by, arrive_by, resolve_by } = t.due;
  switch (t.state) {
    case 'open':
      return first(['accept', accept_by], ['resolve', resolve_by]);
    case 'accepted':
      return first(['arrive', arrive_by], ['resolve', resolve_by]);
    case 'arrived':
      return first(['resolve', resolve_by]);
    default:
      return null;
  }
}

function first(...clocks: [Deadline['what'], string | null][]): Deadline | null {
  for (const [what, at] of clocks) {
    const atMS = ms(at);
    if (atMS !== null) return { what, atMS };
  }
  return null;
}

export function isUnresolved(t: Ticket): boolean {
  return t.state === 'open' || t.state === 'accepted' || t.state === 'arrived';
}

/** Since when, until when: the duration freezes once somebody resolved it. */
export function span(t: Ticket, nowMS: number): { lengthMS: number; running: boolean } {
  const from = ms(t.raised_at) ?? nowMS;
  const end = isUnresolved(t) ? null : ms(t.resolved_at);
  return { lengthMS: (end ?? nowMS) - from, running: end === null };
}

/** Least time left first; what has no clock follows, then what is done, newest first. */
export function byTimeLeft(a: Ticket, b: Ticket): number {
  const [openA, openB] = [isUnresolved(a), isUnresolved(b)];
  if (openA !== openB) return openA ? -1 : 1;
  if (!openA) return doneMS(b) - doneMS(a) || compare(b.id, a.id);
  const [da, db] = [deadline(a), deadline(b)];
  return (
    compare(da?.atMS ?? Number.POSITIVE_INFINITY, db?.atMS ?? Number.POSITIVE_INFINITY) ||
    severities.indexOf(a.severity) - severities.indexOf(b.severity) ||
    compare(a.id, b.id)
  );
}

function doneMS(t: Ticket): number {
  return ms(t.closed_at) ?? ms(t.resolved_at) ?? 0;
}

function compare<T extends number | string>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
