import { signal } from '@preact/signals';
import { api, askAll } from '../../api/client';
import type { Edge } from '../../api/types';

/** null: not read yet. */
export const edges = signal<readonly Edge[] | null>(null);

export async function loadEdges(): Promise<void> {
  edges.value = await askAll((cursor) =>
    api.GET('/api/v1/edges', { params: { query: { ...(cursor && { cursor }) } } }),
  );
}
