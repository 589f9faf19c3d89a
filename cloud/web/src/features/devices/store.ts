// Devices, and the newest values of those that are looked at.
import { signal } from '@preact/signals';
import { api, ask, askAll } from '../../api/client';
import type { Device, Latest } from '../../api/types';

/** null: not read yet. */
export const devices = signal<readonly Device[] | null>(null);

export const latest = signal<ReadonlyMap<string, readonly Latest[]>>(new Map());

export async function loadDevices(): Promise<void> {
  devices.value = await askAll((cursor) =>
    api.GET('/api/v1/devices', { params: { query: { limit: 500, ...(cursor && { cursor }) } } }),
  );
}

export async function loadLatest(ids: Iterable<string>): Promise<void> {
  const read = [...ids].map(async (id) => {
    const page = await ask(api.GET('/api/v1/devices/{id}/latest', { params: { path: { id } } }));
    return [id, page.items ?? []] as const;
  });
  // One device that fails must not hide the others.
  const done = (await Promise.allSettled(read)).flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []));
  latest.value = new Map([...latest.value, ...done]);
}
