// What of the queue is looked at.
import { computed, signal } from '@preact/signals';
import { below, go, path } from '../../ui/router';
import { type Filter, matches, usual } from './filter';
import { ordered } from './store';

export const filter = signal<Filter>(usual);

export const shown = computed(() => ordered.value.filter((t) => matches(t, filter.value)));

/** The id in the address: a ticket's, or an alias of it. */
export const openID = computed(() => below(path.value, '/tickets'));

export function openTicket(id: string): void {
  go(`/tickets/${encodeURIComponent(id)}`);
}

/** Closes the open ticket; the focus goes back to where it came from. */
export function closeTicket(): void {
  const id = openID.value;
  if (!id) return;
  go('/');
  focusRow(id);
}

export function focusRow(id: string): void {
  requestAnimationFrame(() => document.querySelector<HTMLElement>(`[data-ticket="${CSS.escape(id)}"]`)?.focus());
}
