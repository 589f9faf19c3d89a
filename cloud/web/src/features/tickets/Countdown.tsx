import type { Ticket } from '../../api/types';
import { age, t } from '../../i18n';
import { now } from '../../time/clock';
import { deadline, span } from './deadline';

/** What is to be done next, and how long there is. */
export function Countdown({ ticket }: { ticket: Ticket }) {
  const d = deadline(ticket);
  if (!d) return null;
  const left = d.atMS - now.value;
  const what = t(`clock.${d.what}`);
  return (
    <span class={`countdown ${left < 0 ? 'over' : left < 300_000 ? 'near' : ''}`}>
      {t(left < 0 ? 'clock.over' : 'clock.left', { what, age: age(Math.abs(left)) })}
    </span>
  );
}

/** How long it has been going on; frozen once it is done. */
export function Elapsed({ ticket }: { ticket: Ticket }) {
  const { lengthMS, running } = span(ticket, now.value);
  return <span class="elapsed">{t(running ? 'tickets.since' : 'tickets.took', { age: age(lengthMS) })}</span>;
}
