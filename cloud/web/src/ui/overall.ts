// The one light at the top.
import type { Edge, Ticket } from '../api/types';
import type { Link } from '../live/events';

export type Overall = 'critical' | 'nobody' | 'attention' | 'edgeDown' | 'unknown' | 'normal';

export interface Picture {
  link: Link;
  loaded: boolean;
  unresolved: readonly Ticket[];
  /** Estates without anybody on duty. */
  unmanned: readonly string[];
  /** null: not read yet. */
  edges: readonly Edge[] | null;
}

/** The worst that is known; green only when everything is known to be well. */
export function overall(p: Picture): Overall {
  if (!p.loaded || p.link === 'lost') return 'unknown';
  if (p.unresolved.some((t) => t.severity === 'critical')) return 'critical';
  if (p.unmanned.length > 0) return 'nobody';
  if (p.unresolved.length > 0) return 'attention';
  if (p.edges === null || p.edges.length === 0) return 'unknown';
  if (p.edges.some((e) => !e.online)) return 'edgeDown';
  return 'normal';
}
