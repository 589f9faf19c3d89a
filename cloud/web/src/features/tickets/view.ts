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

export function closeTicket(): void {
  if (openID.value) go('/');
}
