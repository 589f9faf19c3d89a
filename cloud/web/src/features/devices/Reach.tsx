import type { Latest } from '../../api/types';
import { age, t } from '../../i18n';
import { now } from '../../time/clock';
import { newestMS, reach } from './reading';

/** Online, offline or unknown: only what is known to be well is green. */
export function ReachMark({ values }: { values: readonly Latest[] | undefined }) {
  const r = reach(values, now.value);
  return (
    <span class={`reach ${r}`}>
      <i class="dot" aria-hidden="true" />
      {t(`devices.${r}`)}
    </span>
  );
}

export function ValueAge({ values }: { values: readonly Latest[] | undefined }) {
  const newest = values ? newestMS(values) : null;
  return <span class="muted">{newest === null ? t('devices.never') : ago(newest)}</span>;
}

export function ago(atMS: number): string {
  return t('devices.ago', { age: age(now.value - atMS) });
}
