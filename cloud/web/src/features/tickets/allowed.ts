// What the next step of a ticket is, and what else may be done. The cloud
// decides; this only keeps buttons away that it would refuse.
import type { Action, Me, Ticket } from '../../api/types';
import { isUnresolved } from './deadline';

export function allowed(t: Ticket, a: Action): boolean {
  const working = isUnresolved(t);
  switch (a) {
    case 'accept':
      return t.state === 'open';
    case 'arrive':
      return t.state === 'open' || t.state === 'accepted';
    case 'resolve':
    case 'false-alarm':
      return working && (t.fault !== 'entrapment' || t.state === 'arrived');
    case 'close':
      return t.state === 'resolved';
    case 'reopen':
      return !working;
    case 'transfer':
    case 'escalate':
      return working;
    case 'comment':
      return true;
  }
}

/** 接单 → 我已到场 → 办结 → 回访关闭; null where nothing is left to do. */
export function nextStep(t: Ticket): Action | null {
  switch (t.state) {
    case 'open':
      return 'accept';
    case 'accepted':
      return 'arrive';
    case 'arrived':
      return 'resolve';
    case 'resolved':
      return 'close';
    default:
      return null;
  }
}

export function mayAct(me: Me | null): boolean {
  return me !== null && me.role !== 'viewer';
}

/** May write down what somebody else did. */
export function mayActAs(me: Me | null): boolean {
  return me?.role === 'admin' || me?.role === 'dispatcher';
}
