// Dark or light: as the system has it until somebody chooses. And the size of
// type on the phone.
import { signal } from '@preact/signals';
import { recall, remember } from './memory';

type Theme = 'light' | 'dark';

const system = matchMedia('(prefers-color-scheme: dark)');

function chosen(): Theme | null {
  const t = recall('theme');
  return t === 'light' || t === 'dark' ? t : null;
}

export const theme = signal<Theme>(chosen() ?? (system.matches ? 'dark' : 'light'));
export const elder = signal(recall('size') === 'elder');

function show(): void {
  document.documentElement.dataset.theme = theme.value;
  document.documentElement.dataset.size = elder.value ? 'elder' : 'normal';
}

export function startTheme(): void {
  system.addEventListener('change', () => {
    if (!chosen()) theme.value = system.matches ? 'dark' : 'light';
    show();
  });
  show();
}

export function toggleTheme(): void {
  theme.value = theme.value === 'dark' ? 'light' : 'dark';
  remember('theme', theme.value);
  show();
}

export function toggleElder(): void {
  elder.value = !elder.value;
  remember('size', elder.value ? 'elder' : 'normal');
  show();
}
