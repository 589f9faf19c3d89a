import type { Gap } from '../../api/types';
import { t, tCode } from '../../i18n';
import { cloudNow } from '../../time/clock';
import { clockTime, dayTime } from '../../time/instant';
import { estateName } from '../session/estates';
import { gaps } from './store';

/** What gateways had and lost, newest first; nothing where nothing was. */
export function Gaps() {
  const list = gaps.value;
  if (list.length === 0) return null;
  return (
    <section>
      <h2>{t('gaps.title')}</h2>
      <p class="muted">{t('gaps.hint')}</p>
      <ul>
        {list.map((g) => (
          <li key={`${g.estate}/${g.edge}/${g.heard_at}/${g.from}/${g.records}/${g.log}`}>
            {estateName(g.estate)} <span class="muted">{g.edge}</span> {told(g, new Date(cloudNow()).getFullYear())}
          </li>
        ))}
      </ul>
    </section>
  );
}

/** `11-22 10:02–10:07, 1,200 records of samples lost: disk full` */
export function told(g: Gap, year: number): string {
  return t('gaps.one', {
    when: span(g, year),
    n: g.records.toLocaleString('en'),
    what: t(g.log === 'alarm' ? 'gaps.alarm' : 'gaps.samples'),
    why: tCode('gaps', g.reason, g.reason.replaceAll('_', ' ')),
  });
}

function span(g: Gap, year: number): string {
  if (!g.from || !g.to) return t('gaps.unknown', { heard: dayTime(g.heard_at, year) });
  const from = dayTime(g.from, year);
  const to = dayTime(g.to, year);
  if (from === to) return from;
  return g.from.slice(0, 10) === g.to.slice(0, 10) ? `${from}–${clockTime(g.to)}` : `${from} – ${to}`;
}
