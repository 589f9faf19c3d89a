// A severity: shape, colour and word, never colour alone.
import type { Severity } from '../api/types';
import { t } from '../i18n';

const shapes: Record<Severity, string> = {
  critical: 'M7.2 1h9.6L23 7.2v9.6L16.8 23H7.2L1 16.8V7.2z',
  major: 'M12 1.5 23.5 22H.5z',
  minor: 'M12 .5 23.5 12 12 23.5.5 12z',
  warning: 'M12 1a11 11 0 1 0 0 22 11 11 0 0 0 0-22z',
};

export function Shape({ severity }: { severity: Severity }) {
  const lower = severity === 'major' ? 2.5 : 0;
  return (
    <svg class={`shape ${severity}`} viewBox="0 0 24 24" aria-hidden="true">
      <path d={shapes[severity]} />
      <path class="glyph" d={`M11 ${6.5 + lower}h2v7h-2zM11 ${15.2 + lower}h2v2h-2z`} />
    </svg>
  );
}

export function Mark({ severity }: { severity: Severity }) {
  return (
    <span class="mark">
      <Shape severity={severity} />
      <span class="word">{t(`severity.${severity}`)}</span>
    </span>
  );
}
