// What the keys do to the queue. The focus is the selection, so that Enter
// and screen readers need nothing of their own.
import { t } from '../../i18n';
import type { Keys } from '../../ui/keys';
import { sayDone, sayFailed } from '../../ui/notice';
import { me } from '../session/store';
import { act } from './act';
import { allowed, mayAct } from './allowed';
import { known } from './store';
import { closeTicket, focusRow, openID, openTicket, shown } from './view';

function focused(): string | null {
  return document.activeElement instanceof HTMLElement ? (document.activeElement.dataset.ticket ?? null) : null;
}

export function queueKeys(help: () => void): Keys {
  return {
    move(by) {
      const ids = shown.value.map((x) => x.id);
      const from = ids.indexOf(focused() ?? openID.value ?? '');
      const to = ids[from < 0 ? 0 : Math.min(ids.length - 1, Math.max(0, from + by))];
      if (!to) return;
      if (openID.value) openTicket(to);
      focusRow(to);
    },
    accept() {
      const ticket = known.value.tickets.get(focused() ?? openID.value ?? '');
      if (!ticket || !allowed(ticket, 'accept') || !mayAct(me.value ?? null)) return;
      act(ticket.id, 'accept').then(() => sayDone(t('act.done', { what: t('act.accept') })), sayFailed);
    },
    search() {
      document.getElementById('search')?.focus();
    },
    help,
    close: closeTicket,
  };
}
