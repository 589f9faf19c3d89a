// One line at the foot of the page that says what just happened.
import { signal } from '@preact/signals';
import { failureText } from './failureText';

const said = signal<{ text: string; bad: boolean } | null>(null);
let timer: ReturnType<typeof setTimeout> | undefined;

function say(text: string, bad: boolean, forMS: number): void {
  said.value = { text, bad };
  clearTimeout(timer);
  timer = setTimeout(() => {
    said.value = null;
  }, forMS);
}

export function sayDone(text: string): void {
  say(text, false, 4000);
}

export function sayFailed(e: unknown): void {
  say(failureText(e), true, 8000);
}

export function Notice() {
  const s = said.value;
  return (
    <div class="notice-place" role="status" aria-live="polite">
      {s && <p class={`notice ${s.bad ? 'bad' : ''}`}>{s.text}</p>}
    </div>
  );
}
