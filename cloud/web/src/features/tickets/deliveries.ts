import { signal } from '@preact/signals';
import { api, askAll } from '../../api/client';
import type { Delivery } from '../../api/types';

/** Counts up whenever some delivery changed. */
export const deliveriesChanged = signal(0);

export async function deliveriesOf(ticket: string): Promise<Delivery[]> {
  const list = await askAll((cursor) =>
    api.GET('/api/v1/deliveries', { params: { query: { ticket, limit: 200, ...(cursor && { cursor }) } } }),
  );
  return list.sort((a, b) => (moment(a) < moment(b) ? -1 : 1));
}

function moment(d: Delivery): number {
  return Date.parse(d.sent_at ?? d.due_at ?? '') || 0;
}
