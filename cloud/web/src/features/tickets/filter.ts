import type { Severity, State, Ticket } from '../../api/types';
import { isUnresolved } from './deadline';

export interface Filter {
  state: State | 'unresolved' | 'all';
  severity: Severity | 'all';
  /** Estate id; empty means all. */
  estate: string;
  text: string;
}

export const usual: Filter = { state: 'unresolved', severity: 'all', estate: '', text: '' };

export function matches(t: Ticket, f: Filter): boolean {
  if (f.state === 'unresolved' ? !isUnresolved(t) : f.state !== 'all' && t.state !== f.state) return false;
  if (f.severity !== 'all' && t.severity !== f.severity) return false;
  if (f.estate && t.estate !== f.estate) return false;
  const words = f.text.trim().toLowerCase().split(/\s+/);
  const hay = `${t.title.text} ${t.location} ${t.device} ${t.id}`.toLowerCase();
  return words.every((w) => hay.includes(w));
}
