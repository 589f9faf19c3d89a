// The estates one may see.
import { computed, signal } from '@preact/signals';
import { api, askAll } from '../../api/client';
import type { Estate } from '../../api/types';

export const estates = signal<readonly Estate[]>([]);

const byID = computed(() => new Map(estates.value.map((e) => [e.id, e])));

export async function loadEstates(): Promise<void> {
  estates.value = await askAll((cursor) =>
    api.GET('/api/v1/estates', { params: { query: { ...(cursor && { cursor }) } } }),
  );
}

export function estate(id: string): Estate | undefined {
  return byID.value.get(id);
}

export function estateName(id: string): string {
  return byID.value.get(id)?.name || id;
}
