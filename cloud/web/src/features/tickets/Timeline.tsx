import type { Ticket, TimelineEntry } from '../../api/types';
import { t, tCode } from '../../i18n';
import { full } from '../../time/instant';
import { personName } from '../duty/people';

export function Timeline({ ticket }: { ticket: Ticket }) {
  return (
    <ol class="timeline">
      {(ticket.timeline ?? []).map((e) => (
        <li key={e.id}>
          <time dateTime={e.at}>{full(e.at)}</time>
          <span>
            <strong>{tCode('timeline', e.kind, e.kind)}</strong> {by(ticket.estate, e)}
            {e.to && <> {t('timeline.to', { name: personName(ticket.estate, e.to) })}</>}
            {e.outcome && <> · {tCode('outcome', e.outcome, e.outcome)}</>}
            {e.reason && <> · {tCode('reason', e.reason, e.reason)}</>}
            {e.note && <q class="note">{e.note}</q>}
          </span>
        </li>
      ))}
    </ol>
  );
}

function by(estate: string, e: TimelineEntry): string {
  if (e.by_kind === 'staff') return personName(estate, e.by);
  const key = `by.${e.by_kind}`;
  if (key === 'by.rule') return t('by.rule', { id: e.by });
  if (key === 'by.user') return t('by.user', { id: e.by });
  if (key === 'by.token') return t('by.token', { id: e.by });
  return tCode('by', e.by_kind, e.by);
}
