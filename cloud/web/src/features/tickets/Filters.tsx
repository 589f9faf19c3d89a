import { type Severity, type State, severities } from '../../api/types';
import { t } from '../../i18n';
import { estates } from '../session/estates';
import type { Filter } from './filter';
import { filter, shown } from './view';

const states: readonly Filter['state'][] = ['unresolved', 'open', 'accepted', 'arrived', 'resolved', 'closed'];

function set(change: Partial<Filter>): void {
  filter.value = { ...filter.value, ...change };
}

export function stateWord(s: Filter['state']): string {
  return s === 'unresolved' || s === 'all' ? t(`filter.${s}`) : t(`state.${s}`);
}

/** The filter as a sentence, so that nobody takes a part for the whole. */
export function sentence(f: Filter): string {
  const parts = [stateWord(f.state)];
  if (f.severity !== 'all') parts.push(t(`severity.${f.severity}`));
  const estate = estates.value.find((e) => e.id === f.estate);
  parts.push(estate?.name ?? t('filter.allEstates'));
  if (f.text.trim()) parts.push(f.text.trim());
  return parts.join(' · ');
}

export function Filters() {
  const f = filter.value;
  return (
    <div class="filters">
      <fieldset class="tabs" aria-label={t('filter.state')}>
        {states.map((s) => (
          <button key={s} type="button" aria-pressed={f.state === s} onClick={() => set({ state: s as State })}>
            {stateWord(s)}
          </button>
        ))}
      </fieldset>
      <label>
        <span class="unseen">{t('filter.severity')}</span>
        <select value={f.severity} onChange={(e) => set({ severity: e.currentTarget.value as Severity | 'all' })}>
          <option value="all">
            {t('filter.severity')}: {t('filter.all')}
          </option>
          {severities.map((s) => (
            <option key={s} value={s}>
              {t(`severity.${s}`)}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span class="unseen">{t('filter.estate')}</span>
        <select value={f.estate} onChange={(e) => set({ estate: e.currentTarget.value })}>
          <option value="">{t('filter.allEstates')}</option>
          {estates.value.map((e) => (
            <option key={e.id} value={e.id}>
              {e.name}
            </option>
          ))}
        </select>
      </label>
      <input
        id="search"
        type="search"
        placeholder={t('tickets.search')}
        aria-label={t('tickets.search')}
        value={f.text}
        onInput={(e) => set({ text: e.currentTarget.value })}
      />
      <p class="muted filter-sentence">{t('tickets.shown', { filter: sentence(f), count: shown.value.length })}</p>
    </div>
  );
}
