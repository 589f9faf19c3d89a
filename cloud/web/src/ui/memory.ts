// What this browser remembers of its reader's taste. Storage may be barred
// (private windows): then nothing is remembered, and nothing breaks.

type What = 'lang' | 'theme' | 'size' | 'sound';

export function recall(what: What): string | null {
  try {
    return localStorage.getItem(`linshao.${what}`);
  } catch {
    return null;
  }
}

export function remember(what: What, value: string): void {
  try {
    localStorage.setItem(`linshao.${what}`, value);
  } catch {
    // nothing to do: it holds until the page is left
  }
}
