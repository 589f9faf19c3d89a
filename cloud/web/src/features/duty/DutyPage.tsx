import { useEffect } from 'preact/hooks';
import type { Duty, Person } from '../../api/types';
import { age, t, tCode } from '../../i18n';
import { now } from '../../time/clock';
import { dayTime, ms } from '../../time/instant';
import { Empty } from '../../ui/Empty';
import { sayFailed } from '../../ui/notice';
import { estateName } from '../session/estates';
import { personName } from './people';
import { duties, isUnmanned, loadDuty } from './store';

export function DutyPage() {
  useEffect(() => {
    loadDuty().catch(sayFailed);
  }, []);
  const list = [...duties.value.values()];
  if (list.length === 0) return <Empty title={t('duty.none')} hint={t('duty.noneHint')} />;
  return (
    <section class="page">
      <h1>{t('duty.title')}</h1>
      <div class="boxes">
        {list.map((d) => (
          <OneEstate key={d.estate} duty={d} />
        ))}
      </div>
    </section>
  );
}

function OneEstate({ duty: d }: { duty: Duty }) {
  const next = d.next;
  return (
    <article class="card">
      <h2>{estateName(d.estate)}</h2>
      <h3>{t('duty.now')}</h3>
      {isUnmanned(d) ? <p class="nobody">{t('duty.nobody')}</p> : <People list={d.on_duty ?? []} estate={d.estate} />}
      {!!d.absent?.length && (
        <>
          <h3>{t('duty.absent')}</h3>
          <People list={d.absent} estate={d.estate} />
        </>
      )}
      <h3>{t('duty.next')}</h3>
      {!next && <p class="muted">{t('duty.noNext')}</p>}
      {next && (
        <>
          <p class="muted">
            {t('duty.at', { time: dayTime(next.at, thisYear()), age: age((ms(next.at) ?? 0) - now.value) })}
          </p>
          {next.on_duty?.length ? (
            <People list={next.on_duty} estate={d.estate} />
          ) : (
            <p class="nobody">{t('duty.nobody')}</p>
          )}
        </>
      )}
    </article>
  );
}

function thisYear(): number {
  return new Date(now.value).getFullYear();
}

export function People({ list, estate }: { list: readonly Person[]; estate: string }) {
  return (
    <ul class="people">
      {list.map((p) => (
        <li key={`${p.staff}/${p.roster}/${p.shift}`}>
          <strong>{p.name}</strong> {p.vanguard && <span class="chip">{t('duty.vanguard')}</span>}
          {p.leader && <span class="chip">{t('duty.leader')}</span>}{' '}
          <span class="muted">
            {tCode('post', p.post || 'patrol', p.post)}
            {p.covers && <> · {t('duty.covers', { name: personName(estate, p.covers) })}</>}
            {p.until && <> · {t('duty.until', { time: dayTime(p.until, thisYear()) })}</>}
          </span>
          {p.phone && (
            <a class="tel" href={`tel:${p.phone}`} aria-label={t('duty.call', { name: p.name })}>
              {p.phone}
            </a>
          )}
        </li>
      ))}
    </ul>
  );
}
