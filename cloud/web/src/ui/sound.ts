// The repeated tone for critical tickets that nobody has accepted. Browsers
// let a page sound only after it was touched once; until then it is "blocked"
// and says so.
import { computed, effect, signal } from '@preact/signals';
import { unresolved } from '../features/tickets/store';
import { recall, remember } from './memory';

export const soundWanted = signal(recall('sound') !== 'off');
export const soundBlocked = signal(true);

const everyMS = 3000;
let audio: AudioContext | undefined;

/** To be called from a touch, click or key. */
export async function unlockSound(): Promise<void> {
  audio ??= new AudioContext();
  await audio.resume();
  soundBlocked.value = audio.state !== 'running';
}

export function setSound(on: boolean): void {
  soundWanted.value = on;
  remember('sound', on ? 'on' : 'off');
}

export function startSound(): void {
  const unlock = () => void unlockSound().catch(() => {}); // no audio device: it stays blocked, and the button says so
  addEventListener('pointerdown', unlock, { once: true });
  addEventListener('keydown', unlock, { once: true });
  const ringing = computed(
    () => soundWanted.value && unresolved.value.some((t) => t.severity === 'critical' && t.state === 'open'),
  );
  effect(() => {
    if (!ringing.value) return;
    beep();
    const timer = setInterval(beep, everyMS);
    return () => clearInterval(timer);
  });
}

/** Two short tones, and a shake where the device can. */
function beep(): void {
  if (audio?.state === 'running') {
    tone(audio, 880, 0);
    tone(audio, 660, 0.25);
  }
  if (navigator.userActivation?.hasBeenActive) navigator.vibrate?.([200, 100, 200]);
}

function tone(a: AudioContext, hz: number, afterS: number): void {
  const from = a.currentTime + afterS;
  const osc = new OscillatorNode(a, { frequency: hz, type: 'triangle' });
  const gain = new GainNode(a, { gain: 0 });
  gain.gain.setTargetAtTime(0.25, from, 0.01);
  gain.gain.setTargetAtTime(0, from + 0.18, 0.03);
  osc.connect(gain).connect(a.destination);
  osc.start(from);
  osc.stop(from + 0.4);
}
