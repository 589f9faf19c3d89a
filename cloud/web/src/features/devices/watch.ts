// Which devices are on the screen: only their values are asked for.
import { useEffect, useRef } from 'preact/hooks';
import { repeat } from '../../live/repeat';
import { loadLatest } from './store';

const everyMS = 3000;
const watched = new Map<string, number>();

function hold(id: string): () => void {
  watched.set(id, (watched.get(id) ?? 0) + 1);
  if (watched.get(id) === 1) void loadLatest([id]);
  return () => {
    const left = (watched.get(id) ?? 1) - 1;
    if (left > 0) watched.set(id, left);
    else watched.delete(id);
  };
}

/** Keeps the values of a device fresh while the component is there. */
export function useValues(id: string): void {
  useEffect(() => hold(id), [id]);
  usePolling();
}

/** As useValues, while the element is in sight. */
export function useValuesInSight<E extends Element>(id: string) {
  const ref = useRef<E>(null);
  useEffect(() => {
    let release: (() => void) | undefined;
    const eye = new IntersectionObserver(([entry]) => {
      release?.();
      release = entry?.isIntersecting ? hold(id) : undefined;
    });
    if (ref.current) eye.observe(ref.current);
    return () => {
      eye.disconnect();
      release?.();
    };
  }, [id]);
  return ref;
}

/** Reads what is watched every few seconds, while the page is in front. */
export function usePolling(): void {
  useEffect(
    () =>
      repeat(everyMS, async () => {
        if (!document.hidden) await loadLatest(watched.keys());
      }),
    [],
  );
}
