import type { ClockDay, Latest } from '../../api/types';
import { age, t } from '../../i18n';
import { dayTime } from '../../time/instant';

export interface Told {
  word: string;
  hint: string;
}

/** What is odd about a value's time, in plain words; a device without a clock is not odd. */
export function odd(v: Latest, year: number): Told[] {
  const has = new Set(v.marks);
  const said = (at: string | null) => (at ? dayTime(at, year) : '–');
  const told: Told[] = [];
  if (has.has('historical')) told.push({ word: t('marks.late'), hint: t('marks.lateHint') });
  if (has.has('receive_time') && v.device_at)
    told.push({ word: t('marks.wrong'), hint: t('marks.wrongHint', { said: said(v.device_at) }) });
  if (has.has('clock_untrusted')) told.push({ word: t('marks.untrusted'), hint: t('marks.untrustedHint') });
  if (has.has('clock_corrected'))
    told.push({ word: t('marks.corrected'), hint: t('marks.correctedHint', { said: said(v.edge_at) }) });
  return told;
}

export function Marks({ latest, year }: { latest: Latest; year: number }) {
  return (
    <>
      {odd(latest, year).map((m) => (
        <span key={m.word} class="muted block" title={m.hint}>
          {m.word}
        </span>
      ))}
    </>
  );
}

/** Days on which times were odd, newest first; nothing where none was. */
export function ClockDays({ days }: { days: readonly ClockDay[] }) {
  if (days.length === 0) return null;
  return (
    <section>
      <h2>{t('clock.title')}</h2>
      <ul>
        {days.map((d) => (
          <li key={d.day}>{dayTold(d)}</li>
        ))}
      </ul>
    </section>
  );
}

/** `2026-11-22: 7 values (5 corrected · 2 late), off by up to 3 h` */
export function dayTold(d: ClockDay): string {
  const reasons = (['corrected', 'untrusted', 'disbelieved', 'late'] as const)
    .filter((k) => d[k] > 0)
    .map((k) => t(`clock.${k}`, { n: d[k].toLocaleString('en') }));
  return t('clock.one', {
    day: d.day,
    n: d.samples.toLocaleString('en'),
    what: reasons.join(' · '),
    most: age(d.most_ms),
  });
}
