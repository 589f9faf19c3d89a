import type { Action, Ticket } from '../../api/types';
import { t } from '../../i18n';
import { clockSeconds } from '../../time/instant';
import { Mark } from '../../ui/Mark';
import { person, personName } from '../duty/people';
import { estate, estateName } from '../session/estates';
import { me } from '../session/store';
import { useAct } from '../tickets/Actions';
import { allowed, mayAct, nextStep } from '../tickets/allowed';
import { Countdown, Elapsed } from '../tickets/Countdown';
import { place } from '../tickets/place';

/** One ticket: what, where, how long, and one large button that is the next step. */
export function Card({ ticket }: { ticket: Ticket }) {
  const { start, busy, dialog } = useAct(ticket);
  const next = nextStep(ticket);
  const can = mayAct(me.value ?? null);
  return (
    <li class={`phone-card ${ticket.severity}`} data-ticket={ticket.id}>
      <p class="phone-card-top">
        <Mark severity={ticket.severity} />
        <Elapsed ticket={ticket} />
      </p>
      <h3>{ticket.title.text}</h3>
      <p class="place">
        <span class="nobreak">{place(ticket)}</span>
        <span class="muted block">
          {estateName(ticket.estate)} · {clockSeconds(ticket.raised_at)}
        </span>
      </p>
      <p class="phone-card-state">
        <Countdown ticket={ticket} />
        <Standing ticket={ticket} />
      </p>
      <Hotline ticket={ticket} />
      {can && next && (
        <button type="button" class="primary step" disabled={busy} onClick={() => start(next)}>
          {t(busy ? 'act.sending' : next === 'arrive' ? 'act.arriveMe' : `act.${next}`)}
        </button>
      )}
      {can && <Secondary ticket={ticket} start={start} busy={busy} />}
      {dialog}
    </li>
  );
}

function Standing({ ticket }: { ticket: Ticket }) {
  const who = ticket.assignee && ticket.assignee !== me.value?.staff ? ticket.assignee : '';
  return (
    <span class="muted">
      {who ? t('phone.takenBy', { name: personName(ticket.estate, who) }) : t(`state.${ticket.state}`)}
      {' · '}
      {t('phone.condition', { condition: t(`condition.${ticket.condition}`) })}
    </span>
  );
}

function Hotline({ ticket }: { ticket: Ticket }) {
  const number = ticket.fault === 'entrapment' ? estate(ticket.estate)?.hotline : undefined;
  if (!number) return null;
  return (
    <a class="hotline" href={`tel:${number}`}>
      {t('ticket.hotline')} <strong>{number}</strong>
    </a>
  );
}

const second: readonly Action[] = ['transfer', 'false-alarm', 'comment'];

interface SecondaryProps {
  ticket: Ticket;
  start: (a: Action) => void;
  busy: boolean;
}

function Secondary({ ticket, start, busy }: SecondaryProps) {
  const phone = person(ticket.estate, ticket.assignee)?.phone;
  return (
    <div class="secondary">
      {second
        .filter((a) => allowed(ticket, a))
        .map((a) => (
          <button key={a} type="button" disabled={busy} onClick={() => start(a)}>
            {t(`act.${a}`)}
          </button>
        ))}
      {phone && (
        <a class="button" href={`tel:${phone}`}>
          {t('act.call')}
        </a>
      )}
    </div>
  );
}
