// The keyboard of the dispatcher. Keys do nothing while somebody types or a
// dialog is open.

export interface Keys {
  move(by: 1 | -1): void;
  accept(): void;
  search(): void;
  help(): void;
  close(): void;
}

export function keyOf(
  e: Pick<KeyboardEvent, 'key' | 'metaKey' | 'ctrlKey' | 'altKey'>,
): keyof Keys | 'up' | 'down' | null {
  if (e.metaKey || e.ctrlKey || e.altKey) return null;
  switch (e.key) {
    case 'j':
      return 'down';
    case 'k':
      return 'up';
    case 'a':
      return 'accept';
    case '/':
      return 'search';
    case '?':
      return 'help';
    case 'Escape':
      return 'close';
    default:
      return null;
  }
}

/** Listens; the answer stops it. */
export function listen(keys: Keys): () => void {
  const onKey = (e: KeyboardEvent) => {
    if (document.querySelector('dialog[open]')) return;
    const el = e.target instanceof HTMLElement ? e.target : null;
    const key = keyOf(e);
    if (el?.matches('input, textarea, select')) {
      if (key === 'close') el.blur();
      return;
    }
    if (!key) return;
    e.preventDefault();
    if (key === 'down') keys.move(1);
    else if (key === 'up') keys.move(-1);
    else if (key !== 'move') keys[key]();
  };
  addEventListener('keydown', onKey);
  return () => removeEventListener('keydown', onKey);
}
