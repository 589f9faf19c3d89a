// Names for staff ids.
import { computed, signal } from '@preact/signals';
import { api, askAll } from '../../api/client';
import type { Staff } from '../../api/types';

export const people = signal<readonly Staff[]>([]);

const byID = computed(() => new Map(people.value.map((p) => [`${p.estate}/${p.id}`, p])));

export async function loadPeople(): Promise<void> {
  people.value = await askAll((cursor) =>
    api.GET('/api/v1/staff', { params: { query: { limit: 500, ...(cursor && { cursor }) } } }),
  );
}

export function person(estate: string, id: string): Staff | undefined {
  return byID.value.get(`${estate}/${id}`);
}

export function personName(estate: string, id: string): string {
  return person(estate, id)?.name || id;
}

export function staffOf(estate: string): Staff[] {
  return people.value.filter((p) => p.estate === estate);
}
