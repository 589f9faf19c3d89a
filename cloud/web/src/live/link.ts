import { computed } from '@preact/signals';
import { now } from '../time/clock';
import { heardAt } from './contact';
import { linkOf } from './events';
import { streaming } from './stream';

/** Browser time on purpose: heardAt is in it. */
const browserNow = computed(() => {
  now.value; // ticks
  return Date.now();
});

export const link = computed(() => linkOf(streaming.value, heardAt.value, browserNow.value));

/** How old the newest word from the cloud is, ms. */
export const silentFor = computed(() => (heardAt.value === 0 ? 0 : Math.max(0, browserNow.value - heardAt.value)));
