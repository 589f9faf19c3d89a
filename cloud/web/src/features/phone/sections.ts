// How a person's phone sorts the tickets: mine, those that wait for somebody,
// and those others have taken.
import type { Ticket } from '../../api/types';

export interface Sections {
  mine: Ticket[];
  open: Ticket[];
  others: Ticket[];
}

/** Keeps the order within each section. list holds unresolved tickets. */
export function sections(list: readonly Ticket[], staff: string): Sections {
  const out: Sections = { mine: [], open: [], others: [] };
  for (const t of list) {
    if (staff !== '' && t.assignee === staff) out.mine.push(t);
    else if (t.state === 'open') out.open.push(t);
    else out.others.push(t);
  }
  return out;
}
