import type { ComponentChildren } from 'preact';

interface Props {
  title: string;
  hint?: string;
  children?: ComponentChildren;
}

export function Empty({ title, hint, children }: Props) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {hint && <p class="muted">{hint}</p>}
      {children}
    </div>
  );
}
