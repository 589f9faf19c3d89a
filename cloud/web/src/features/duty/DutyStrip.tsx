import type { Duty } from '../../api/types';
import { age, t } from '../../i18n';
import { now } from '../../time/clock';
import { clockTime, ms } from '../../time/instant';
import { estateName } from '../session/estates';
import { duties, isUnmanned } from './store';

/** Always in sight: who can be reached in each estate, and until when. */
export function DutyStrip() {
  return (
    <ul class="duty-strip" aria-label={t('duty.title')}>
      {[...duties.value.values()].map((d) => (
        <li key={d.estate} class={isUnmanned(d) ? 'nobody' : ''}>
          <a href="/duty">{estateName(d.estate)}</a> <OnDuty duty={d} /> <Next duty={d} />
        </li>
      ))}
    </ul>
  );
}

function OnDuty({ duty }: { duty: Duty }) {
  const list = duty.on_duty ?? [];
  const first = list[0];
  if (!first) return <strong>{t('duty.nobody')}</strong>;
  return (
    <>
      <strong>{first.name}</strong>
      {first.phone && (
        <>
          {' '}
          <a href={`tel:${first.phone}`} aria-label={t('duty.call', { name: first.name })}>
            {first.phone}
          </a>
        </>
      )}
      {list.length > 1 && <span class="muted"> {t('duty.more', { count: list.length })}</span>}
    </>
  );
}

function Next({ duty }: { duty: Duty }) {
  const next = duty.next;
  if (!next) return null;
  const who = next.on_duty?.[0]?.name ?? t('duty.nobody');
  const left = (ms(next.at) ?? 0) - now.value;
  return (
    <span class="muted">
      {t('duty.next')} {who} {t('duty.at', { time: clockTime(next.at), age: age(left) })}
    </span>
  );
}
