// Keeps a page's picture current: reads everything once, follows the stream,
// and reads again now and then, since a picture that only ever adds up
// changes is wrong for good after one mistake.

import { loadDevices } from '../features/devices/store';
import { loadPeople } from '../features/duty/people';
import { loadDuty } from '../features/duty/store';
import { loadEdges } from '../features/edges/store';
import { loadEstates } from '../features/session/estates';
import { announce } from '../features/tickets/announce';
import { deliveriesChanged } from '../features/tickets/deliveries';
import { forget, loadUnresolved, tell } from '../features/tickets/store';
import type { Change, EventName } from './events';
import { repeat } from './repeat';
import { openStream } from './stream';

export type Page = 'console' | 'phone';

/** Starts following; the answer stops it. */
export function follow(page: Page, lang: string): () => void {
  const stops = [
    openStream(lang, { on: (name, change) => receive(page, name, change) }),
    repeat(60_000, loadUnresolved),
    repeat(60_000, () => loadEstates().then(loadDuty)),
    repeat(300_000, loadPeople),
    repeat(10_000, loadEdges), // also proves, every ten seconds, that the cloud is there
  ];
  return () => {
    for (const stop of stops) stop();
    forget();
  };
}

function receive(page: Page, name: EventName, change: Change | null): void {
  switch (name) {
    case 'ticket':
      if (change?.ticket && tell(change.ticket)) announce(change.ticket);
      break;
    case 'delivery':
      deliveriesChanged.value++;
      break;
    case 'device':
      if (page === 'console') soon(loadDevices);
      break;
    case 'edge':
      soon(loadEdges);
      break;
    case 'reset':
      soon(loadUnresolved);
      soon(loadDuty);
      soon(loadEdges);
      if (page === 'console') soon(loadDevices);
      deliveriesChanged.value++;
      break;
    case 'hello':
      break;
  }
}

const waiting = new Set<() => Promise<unknown>>();

/** Many changes at once are one reading. */
function soon(task: () => Promise<unknown>): void {
  if (waiting.has(task)) return;
  waiting.add(task);
  setTimeout(() => {
    waiting.delete(task);
    task().catch(() => {}); // the next round of repeat reads it
  }, 300);
}
