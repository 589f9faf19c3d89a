// How tickets from lists, from the stream and from one's own actions become
// one picture. A list is read while the stream goes on: what the stream told
// after the list was asked for is newer than the list.
import type { Ticket } from '../../api/types';
import { isUnresolved } from './deadline';

export interface Known {
  readonly tickets: ReadonlyMap<string, Ticket>;
  /** When each ticket was last told singly (by event or action), ms. */
  readonly toldMS: ReadonlyMap<string, number>;
}

export const nothing: Known = { tickets: new Map(), toldMS: new Map() };

/** Takes one ticket as it is now; tickets merged into it vanish. */
export function put(k: Known, t: Ticket, atMS: number): Known {
  const tickets = new Map(k.tickets);
  const toldMS = new Map(k.toldMS);
  for (const alias of t.aliases ?? []) {
    tickets.delete(alias);
    toldMS.set(alias, atMS);
  }
  tickets.set(t.id, keepTimeline(t, k.tickets.get(t.id)));
  toldMS.set(t.id, atMS);
  return { tickets, toldMS };
}

/** Takes a list that was asked for at askedMS. */
export function merge(k: Known, list: readonly Ticket[], askedMS: number): Known {
  const tickets = new Map(k.tickets);
  for (const t of list) {
    if ((k.toldMS.get(t.id) ?? 0) < askedMS) tickets.set(t.id, keepTimeline(t, k.tickets.get(t.id)));
  }
  return { tickets, toldMS: k.toldMS };
}

/** As merge, with all unresolved tickets there are: others known as unresolved are gone. */
export function replaceUnresolved(k: Known, list: readonly Ticket[], askedMS: number): Known {
  const listed = new Set(list.map((t) => t.id));
  const merged = merge(k, list, askedMS);
  const tickets = new Map(
    [...merged.tickets].filter(([id, t]) => listed.has(id) || !isUnresolved(t) || (k.toldMS.get(id) ?? 0) >= askedMS),
  );
  return { tickets, toldMS: k.toldMS };
}

/** Events and lists carry no timeline; the one that was read stays until read anew. */
function keepTimeline(t: Ticket, before: Ticket | undefined): Ticket {
  if (t.timeline || !before?.timeline) return t;
  return { ...t, timeline: before.timeline };
}
