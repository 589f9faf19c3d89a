// When the cloud was last heard of: by an answer or by an event.
import { signal } from '@preact/signals';

export const heardAt = signal(0);

export function heard(): void {
  heardAt.value = Date.now();
}
