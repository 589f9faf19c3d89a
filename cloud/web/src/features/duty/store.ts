// Who is on duty, by estate.
import { computed, signal } from '@preact/signals';
import { api, ask } from '../../api/client';
import type { Duty } from '../../api/types';
import { estates } from '../session/estates';

export const duties = signal<ReadonlyMap<string, Duty>>(new Map());

export async function loadDuty(): Promise<void> {
  const list = await Promise.all(
    estates.value.map((e) => ask(api.GET('/api/v1/duty', { params: { query: { estate: e.id } } }))),
  );
  duties.value = new Map(list.map((d) => [d.estate, d]));
}

/** Estates where nobody is on duty now. */
export const unmanned = computed(() => [...duties.value.values()].filter(isUnmanned).map((d) => d.estate));

export function isUnmanned(d: Duty): boolean {
  return (d.on_duty ?? []).length === 0;
}

export function isOnDuty(d: Duty | undefined, staff: string): boolean {
  return staff !== '' && (d?.on_duty ?? []).some((p) => p.staff === staff);
}

/** Goes on or off duty in an estate. */
export async function sign(estate: string, on: boolean): Promise<void> {
  await ask(api.POST('/api/v1/duty/sign-on', { body: { estate, on } }));
  await loadDuty();
}
