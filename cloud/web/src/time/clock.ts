// One clock for every countdown: the cloud's, as its answers tell it, ticking
// once a second. A phone that is five minutes off must not show five minutes
// too much.
import { signal } from '@preact/signals';

/** Cloud minus browser in ms. */
const offset = signal(0);

/** The cloud's time in ms, renewed each second. */
export const now = signal(Date.now());

/** The Date header has seconds only: smaller differences are noise. */
const noise = 2000;

export function learnOffset(header: string | null, browserMS: number): void {
  const cloud = header ? Date.parse(header) : Number.NaN;
  if (Number.isNaN(cloud)) return;
  offset.value = offsetFrom(cloud, browserMS);
}

export function offsetFrom(cloudMS: number, browserMS: number): number {
  const d = cloudMS + 500 - browserMS;
  return Math.abs(d) < noise ? 0 : d;
}

export function cloudNow(): number {
  return Date.now() + offset.peek();
}

export function startClock(): void {
  const tick = () => {
    now.value = cloudNow();
  };
  tick();
  setInterval(tick, 1000);
  document.addEventListener('visibilitychange', tick);
}
