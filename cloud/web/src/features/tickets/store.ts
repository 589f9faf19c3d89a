// The tickets this page knows.
import { computed, signal } from '@preact/signals';
import { type Answer, api, ask, askAll, type Page } from '../../api/client';
import type { State, Ticket } from '../../api/types';
import { byTimeLeft, isUnresolved } from './deadline';
import { merge, nothing, put, replaceUnresolved } from './merge';

export const known = signal(nothing);

/** False until the first list has come: an empty page is not yet a quiet one. */
export const loaded = signal(false);

export const ordered = computed(() => [...known.value.tickets.values()].sort(byTimeLeft));

export const unresolved = computed(() => ordered.value.filter(isUnresolved));

export async function loadUnresolved(): Promise<void> {
  const askedMS = Date.now();
  const list = await askAll((cursor) => read('unresolved', 200, cursor));
  known.value = replaceUnresolved(known.value, list, askedMS);
  loaded.value = true;
}

function read(state: State | 'unresolved', limit: number, cursor?: string): Promise<Answer<Page<Ticket>>> {
  const query = { state: [state], limit, ...(cursor && { cursor }) };
  return api.GET('/api/v1/tickets', { params: { query } });
}

/** Where the next page of done tickets begins, by state. */
const more = signal<Partial<Record<State, string>>>({});
export const hasMore = (s: State): boolean => more.value[s] !== undefined;

/** Reads the newest done tickets, or the next page of them. */
export async function loadDone(state: State, onwards = false): Promise<void> {
  const askedMS = Date.now();
  const cursor = onwards ? more.value[state] : undefined;
  const page = await ask(read(state, 50, cursor));
  known.value = merge(known.value, page.items ?? [], askedMS);
  const { [state]: _, ...rest } = more.value;
  more.value = page.next_cursor ? { ...rest, [state]: page.next_cursor } : rest;
}

/** Reads one ticket with its timeline; answers its own id, which an alias is not. */
export async function loadTicket(id: string): Promise<string> {
  const t = await ask(api.GET('/api/v1/tickets/{id}', { params: { path: { id } } }));
  known.value = put(known.value, t, Date.now());
  return t.id;
}

/** Takes a ticket that the stream told of; true if it was not known before. */
export function tell(t: Ticket): boolean {
  const isNew = !known.peek().tickets.has(t.id);
  known.value = put(known.peek(), t, Date.now());
  return isNew;
}

export function forget(): void {
  known.value = nothing;
  loaded.value = false;
}
