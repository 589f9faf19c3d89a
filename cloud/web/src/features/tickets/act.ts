// Changes of tickets. One press is one change, however often it has to be
// sent: a press whose answer was lost keeps its key and its time for the next
// try.
import { api, ask } from '../../api/client';
import { Failure } from '../../api/failure';
import { newKey } from '../../api/key';
import type { ActBody, Action, Ticket } from '../../api/types';
import { cloudNow } from '../../time/clock';
import { put } from './merge';
import { known } from './store';

interface Press {
  key: string;
  /** The ActBody it was made with. */
  said: string;
  at: string;
}

const unanswered = new Map<string, Press>();

export async function act(ticket: string, action: Action, body: ActBody = {}): Promise<Ticket> {
  const slot = `${ticket}/${action}`;
  const said = JSON.stringify(body);
  const before = unanswered.get(slot);
  const press = before?.said === said ? before : { key: newKey(), said, at: new Date(cloudNow()).toISOString() };
  const late = press === before ? { at: press.at } : {};
  unanswered.set(slot, press);
  try {
    const t = await ask(
      api.POST(`/api/v1/tickets/{id}/${action}`, {
        params: { path: { id: ticket }, header: { 'Idempotency-Key': press.key } },
        body: { ...body, ...late },
      }),
    );
    unanswered.delete(slot);
    known.value = put(known.value, t, Date.now());
    return t;
  } catch (e) {
    if (!(e instanceof Failure && e.code === 'unreachable')) unanswered.delete(slot);
    throw e;
  }
}
