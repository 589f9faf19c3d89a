// Addresses of the pages. A link is a plain link; only a plain click on one
// of ours is taken over.
import { signal } from '@preact/signals';

export const path = signal(location.pathname);

export function go(to: string): void {
  if (to !== location.pathname) history.pushState(null, '', to);
  path.value = to;
}

export function startRouter(): void {
  addEventListener('popstate', () => {
    path.value = location.pathname;
  });
  document.addEventListener('click', (e) => {
    const a = e.target instanceof Element ? e.target.closest('a') : null;
    if (!a || e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    if (a.origin !== location.origin || a.target || !a.getAttribute('href')?.startsWith('/')) return;
    e.preventDefault();
    go(a.pathname);
  });
}

/** The rest of a path below a prefix, decoded; null where it is another page. */
export function below(p: string, prefix: string): string | null {
  if (!p.startsWith(`${prefix}/`)) return null;
  return decodeURIComponent(p.slice(prefix.length + 1));
}
