import { useState } from 'preact/hooks';
import type { ActBody, Action, Ticket } from '../../api/types';
import { t } from '../../i18n';
import { sayDone, sayFailed } from '../../ui/notice';
import { me } from '../session/store';
import { AskDialog, asks } from './Ask';
import { act } from './act';
import { allowed, mayAct, nextStep } from './allowed';

const all: readonly Action[] = [
  'accept',
  'arrive',
  'resolve',
  'close',
  'transfer',
  'escalate',
  'false-alarm',
  'reopen',
  'comment',
];

interface Props {
  ticket: Ticket;
  /** Called with the action that is to be asked about; see useAct. */
  start: (a: Action) => void;
  busy: boolean;
}

/** The buttons of a ticket, the next step first and largest. */
export function Actions({ ticket, start, busy }: Props) {
  if (!mayAct(me.value ?? null)) return null;
  const next = nextStep(ticket);
  const held = ticket.fault === 'entrapment' && (ticket.state === 'open' || ticket.state === 'accepted');
  return (
    <section class="actions" aria-label={t('ticket.actions')}>
      <div class="row">
        {all
          .filter((a) => allowed(ticket, a))
          .map((a) => (
            <button key={a} type="button" class={a === next ? 'primary' : ''} disabled={busy} onClick={() => start(a)}>
              {t(`act.${a}`)}
            </button>
          ))}
      </div>
      {held && <p class="muted">{t('act.entrapmentFirst')}</p>}
    </section>
  );
}

/** Carries out actions on a ticket, asking first where there is something to say. */
export function useAct(ticket: Ticket) {
  const [asking, setAsking] = useState<Action | null>(null);
  const [busy, setBusy] = useState(false);

  const run = async (a: Action, body: ActBody) => {
    setBusy(true);
    try {
      await act(ticket.id, a, body);
      setAsking(null);
      sayDone(t('act.done', { what: t(`act.${a}`) }));
    } catch (e) {
      sayFailed(e);
    } finally {
      setBusy(false);
    }
  };

  const start = (a: Action) => {
    if (asks(a, me.value ?? null)) setAsking(a);
    else void run(a, {});
  };

  const dialog = asking && (
    <AskDialog
      ticket={ticket}
      action={asking}
      busy={busy}
      onClose={() => setAsking(null)}
      onDone={(body) => run(asking, body)}
    />
  );
  return { start, busy, dialog };
}
