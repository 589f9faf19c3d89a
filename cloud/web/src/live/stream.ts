// The event stream. EventSource reconnects by itself and resumes by
// Last-Event-ID; only where it gives up (an answer that is no stream) is it
// opened anew here, from the last event that came.
import { signal } from '@preact/signals';
import { api } from '../api/client';
import { heard } from './contact';
import { type Change, type EventName, eventNames, readChange } from './events';

export const streaming = signal(false);

const again = 3000;

export interface Listener {
  /** A change; null for hello and reset. */
  on(name: EventName, change: Change | null): void;
}

/** Opens the stream; the answer closes it. */
export function openStream(lang: string, listener: Listener): () => void {
  let source: EventSource;
  let last = '';
  let timer: ReturnType<typeof setTimeout> | undefined;

  const receive = (name: EventName) => (e: MessageEvent<string>) => {
    heard();
    last = e.lastEventId || last;
    listener.on(name, readChange(e.data));
  };

  const open = () => {
    const query = new URLSearchParams({ lang, ...(last && { after: last }) });
    source = new EventSource(`/api/v1/stream?${query}`);
    for (const name of eventNames) source.addEventListener(name, receive(name));
    source.onopen = () => {
      streaming.value = true;
      heard();
    };
    source.onerror = () => {
      streaming.value = false;
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, again);
      // Refused, not cut: asking who we are finds out if we still are anybody.
      api.GET('/api/v1/me').catch(() => {});
    };
  };

  open();
  return () => {
    clearTimeout(timer);
    source.close();
    streaming.value = false;
  };
}
