// The typed client. Every answer also tells how far the browser's clock is
// from the cloud's, and that the cloud was reached.
import createClient, { type Middleware } from 'openapi-fetch';
import { lang } from '../i18n';
import { heard } from '../live/contact';
import { learnOffset } from '../time/clock';
import { Failure, failureOf } from './failure';
import type { paths } from './schema';

const patience = 10_000;

/** Called when the cloud says that nobody is signed in. */
export const onSignedOut: { call: () => void } = { call: () => {} };

const watch: Middleware = {
  onRequest({ request }) {
    request.headers.set('Accept-Language', lang.value);
    return new Request(request, { signal: AbortSignal.timeout(patience) });
  },
  onResponse({ response, request }) {
    heard();
    learnOffset(response.headers.get('Date'), Date.now());
    if (response.status === 401 && !request.url.endsWith('/login')) onSignedOut.call();
  },
};

export const api = createClient<paths, 'application/json'>({ baseUrl: '/', fetch: (r) => fetch(r) });
api.use(watch);

export interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** Waits for an answer; throws a Failure unless it is a good one. */
export async function ask<T>(call: Promise<Answer<T>>): Promise<T> {
  const { data, error, response } = await call.catch((e: unknown) => {
    throw new Failure('unreachable', e instanceof Error ? e.message : '');
  });
  if (!response.ok) throw failureOf(response.status, error);
  return data as T;
}

export interface Page<T> {
  items: T[] | null;
  next_cursor?: string;
}

/** Reads a list to its end, at most `pages` pages. */
export async function askAll<T>(read: (cursor?: string) => Promise<Answer<Page<T>>>, pages = 20): Promise<T[]> {
  const out: T[] = [];
  let cursor: string | undefined;
  for (let i = 0; i < pages; i++) {
    const page = await ask(read(cursor));
    out.push(...(page.items ?? []));
    cursor = page.next_cursor;
    if (!cursor) break;
  }
  return out;
}
