import type { Ticket } from '../../api/types';
import { word } from '../../i18n';

/** `3号楼2单元 · 电梯` */
export function place(t: Ticket): string {
  const kind = t.kind ? word('kinds', t.kind) : t.device;
  return t.location ? `${t.location} · ${kind}` : kind;
}
