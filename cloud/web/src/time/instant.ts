// Instants come as RFC 3339 in the estate's own time. They are shown as they
// are written: the reader may sit in another zone, the lift does not.

const shape = /^(\d{4})-(\d{2}-\d{2})T(\d{2}:\d{2})(:\d{2})/;

/** `20:01` */
export function clockTime(at: string | null | undefined): string {
  return shape.exec(at ?? '')?.[3] ?? '–';
}

/** `20:01:05` */
export function clockSeconds(at: string | null | undefined): string {
  const m = shape.exec(at ?? '');
  return m ? `${m[3]}${m[4]}` : '–';
}

/** `11-22 20:01` in this year, else `2025-11-22 20:01`. */
export function dayTime(at: string | null | undefined, year: number): string {
  const m = shape.exec(at ?? '');
  if (!m) return '–';
  return m[1] === String(year) ? `${m[2]} ${m[3]}` : `${m[1]}-${m[2]} ${m[3]}`;
}

/** `2026-11-22 20:01:05` */
export function full(at: string | null | undefined): string {
  const m = shape.exec(at ?? '');
  return m ? `${m[1]}-${m[2]} ${m[3]}${m[4]}` : '–';
}

export function ms(at: string | null | undefined): number | null {
  if (!at) return null;
  const t = Date.parse(at);
  return Number.isNaN(t) ? null : t;
}
