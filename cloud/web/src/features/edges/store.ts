import { signal } from '@preact/signals';
import { api, ask, askAll } from '../../api/client';
import type { Edge, Gap } from '../../api/types';

/** null: not read yet. */
export const edges = signal<readonly Edge[] | null>(null);

/** The newest of what edges had and lost. */
export const gaps = signal<readonly Gap[]>([]);

export async function loadEdges(): Promise<void> {
  edges.value = await askAll((cursor) =>
    api.GET('/api/v1/edges', { params: { query: { ...(cursor && { cursor }) } } }),
  );
  const lost = edges.value.some((e) => e.lost);
  gaps.value = lost ? ((await ask(api.GET('/api/v1/gaps', { params: { query: { limit: 50 } } }))).items ?? []) : [];
}
