import { useEffect, useState } from 'preact/hooks';
import type { Delivery, Ticket } from '../../api/types';
import { t, tCode, word } from '../../i18n';
import { clockSeconds } from '../../time/instant';
import { failureText } from '../../ui/failureText';
import { personName } from '../duty/people';
import { deliveriesChanged, deliveriesOf } from './deliveries';

/** Every message about a ticket: to whom, by what, when, and what became of it. */
export function Deliveries({ ticket }: { ticket: Ticket }) {
  const [list, setList] = useState<Delivery[] | null>(null);
  const [failed, setFailed] = useState('');
  useEffect(() => {
    let here = true;
    const show = (l: Delivery[]) => {
      if (!here) return;
      setList(l);
      setFailed('');
    };
    deliveriesOf(ticket.id).then(show, (e: unknown) => here && setFailed(failureText(e)));
    return () => {
      here = false;
    };
  }, [ticket.id, ticket.state, deliveriesChanged.value]);
  if (failed) return <p class="failed">{failed}</p>;
  if (!list) return <p class="muted">{t('link.loading')}</p>;
  if (list.length === 0) return <p class="muted">{t('ticket.noDeliveries')}</p>;
  return (
    <ol class="deliveries">
      {list.map((d) => (
        <One key={d.id} delivery={d} estate={ticket.estate} />
      ))}
    </ol>
  );
}

function One({ delivery: d, estate }: { delivery: Delivery; estate: string }) {
  return (
    <li>
      <span class={`chip delivery ${d.state}`}>{t(`delivery.${d.state}`)}</span>
      <span>
        <strong>{personName(estate, d.staff)}</strong> · {word('channels', d.channel)}
        <span class="muted">
          {' '}
          · {word('paging', d.reason)}
          {stepWord(d)}
        </span>
        {d.attempts?.map((a) => (
          <span key={a.at} class="attempt">
            {t('delivery.attempt', {
              time: clockSeconds(a.at),
              outcome: tCode('delivery', a.outcome, a.outcome),
              took: a.took_ms,
            })}
            {a.detail && ` · ${a.detail}`}
          </span>
        ))}
        {!d.attempts?.length && d.due_at && (
          <span class="attempt">{t('delivery.due', { time: clockSeconds(d.due_at) })}</span>
        )}
      </span>
    </li>
  );
}

/** Steps from here on are parallel tracks and overdue calls, whose reason says it all. */
const ownSteps = 100;

function stepWord(d: Delivery): string {
  const step = { step: d.step + 1, round: d.round + 1 };
  if (d.round > 0) return ` · ${t('delivery.stepRound', step)}`;
  return d.step < ownSteps && !d.track ? ` · ${t('delivery.step', step)}` : '';
}
