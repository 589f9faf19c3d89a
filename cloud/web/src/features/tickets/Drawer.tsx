import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import type { Ticket } from '../../api/types';
import { t, tCode } from '../../i18n';
import { full } from '../../time/instant';
import { Empty } from '../../ui/Empty';
import { failureText } from '../../ui/failureText';
import { Mark } from '../../ui/Mark';
import { personName } from '../duty/people';
import { estate, estateName } from '../session/estates';
import { Actions, useAct } from './Actions';
import { Countdown, Elapsed } from './Countdown';
import { Deliveries } from './Deliveries';
import { DeviceNow } from './DeviceNow';
import { place } from './place';
import { States } from './Row';
import { known, loadTicket } from './store';
import { Timeline } from './Timeline';
import { Trend } from './Trend';
import { closeTicket } from './view';

/** One ticket with everything about it. id may be an alias. */
export function Drawer({ id }: { id: string }) {
  const [own, setOwn] = useState(id);
  const [failed, setFailed] = useState('');
  const ticket = known.value.tickets.get(own);
  const state = `${ticket?.state}/${ticket?.condition}/${ticket?.occurrences}/${ticket?.assignee}/${ticket?.escalations}`;
  useEffect(() => {
    loadTicket(id).then(setOwn, (e: unknown) => setFailed(failureText(e)));
  }, [id, state]);

  const head = useRef<HTMLElement>(null);
  useEffect(() => head.current?.focus(), [id]);

  return (
    <aside class="drawer" aria-label={t('nav.tickets')} ref={head} tabIndex={-1}>
      <button type="button" class="quiet drawer-close" aria-label={t('ticket.close')} onClick={closeTicket}>
        ✕
      </button>
      {ticket ? (
        <Whole ticket={ticket} />
      ) : (
        <Empty title={failed ? t('tickets.missing') : t('link.loading')} hint={failed} />
      )}
    </aside>
  );
}

function Whole({ ticket }: { ticket: Ticket }) {
  const { start, busy, dialog } = useAct(ticket);
  const hotline = ticket.fault === 'entrapment' ? estate(ticket.estate)?.hotline : undefined;
  return (
    <>
      <header class={`ticket-head ${ticket.severity}`}>
        <Mark severity={ticket.severity} />
        <h1>{ticket.title.text}</h1>
        <p>
          {estateName(ticket.estate)} · <span class="nobreak">{place(ticket)}</span>
        </p>
        <p class="row">
          <Countdown ticket={ticket} />
          <Elapsed ticket={ticket} />
        </p>
        <p title={t('ticket.twoStates')}>
          <States ticket={ticket} />
        </p>
      </header>
      {hotline && (
        <p class="hotline">
          {t('ticket.hotline')} <a href={`tel:${hotline}`}>{hotline}</a>
        </p>
      )}
      <Actions ticket={ticket} start={start} busy={busy} />
      {dialog}
      <Part title={t('ticket.timeline')}>
        <Timeline ticket={ticket} />
      </Part>
      <Part title={t('ticket.deliveries')}>
        <Deliveries ticket={ticket} />
      </Part>
      <Part title={t('ticket.trend')}>
        <Trend ticket={ticket} />
      </Part>
      <Part title={t('ticket.latest')}>
        <DeviceNow ticket={ticket} />
      </Part>
      <Facts ticket={ticket} />
    </>
  );
}

function Part({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="part">
      <h2>{title}</h2>
      {children}
    </section>
  );
}

function Facts({ ticket: x }: { ticket: Ticket }) {
  const rows: [string, string][] = [
    [t('ticket.raised'), full(x.raised_at)],
    [t('ticket.received'), full(x.received_at)],
    [t('ticket.cleared'), full(x.cleared_at)],
    [t('ticket.assignee'), x.assignee ? personName(x.estate, x.assignee) : t('ticket.nobody')],
    [t('ticket.outcome'), x.outcome ? tCode('outcome', x.outcome, x.outcome) : '–'],
    [t('ticket.device'), x.device],
    [t('ticket.id'), x.id],
  ];
  return (
    <dl class="facts">
      {rows.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
