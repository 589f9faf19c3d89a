import type { Ticket } from '../../api/types';
import { t } from '../../i18n';
import { Mark } from '../../ui/Mark';
import { personName } from '../duty/people';
import { estateName } from '../session/estates';
import { Countdown, Elapsed } from './Countdown';
import { place } from './place';

export function Row({ ticket, current }: { ticket: Ticket; current: boolean }) {
  return (
    <li>
      <a
        class={`queue-row ${ticket.severity}`}
        href={`/tickets/${encodeURIComponent(ticket.id)}`}
        data-ticket={ticket.id}
        aria-current={current ? 'true' : undefined}
      >
        <Mark severity={ticket.severity} />
        <span class="what">
          <strong>{ticket.title.text}</strong>
          <span class="muted">
            {estateName(ticket.estate)} · <span class="nobreak">{place(ticket)}</span>
            {ticket.occurrences > 1 && <> · {t('tickets.times', { count: ticket.occurrences })}</>}
            {ticket.escalations > 0 && <> · {t('tickets.escalated', { count: ticket.escalations })}</>}
          </span>
        </span>
        <States ticket={ticket} />
        <span class="clocks">
          <Countdown ticket={ticket} />
          <Elapsed ticket={ticket} />
        </span>
      </a>
    </li>
  );
}

/** The two states: what people do about it, and what the device says. */
export function States({ ticket }: { ticket: Ticket }) {
  const who = ticket.assignee && personName(ticket.estate, ticket.assignee);
  return (
    <span class="states">
      <span class={`chip ${ticket.state}`}>
        {t(`state.${ticket.state}`)}
        {who && ` · ${who}`}
      </span>
      <span class={`condition ${ticket.condition}`}>{t(`condition.${ticket.condition}`)}</span>
    </span>
  );
}
