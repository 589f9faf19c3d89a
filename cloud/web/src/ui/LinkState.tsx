import { age, t } from '../i18n';
import { link, silentFor } from '../live/link';

/** Live, connecting or lost, and how old what is shown is. */
export function LinkState() {
  return (
    <span class={`link-state ${link.value}`}>
      <i class="dot" aria-hidden="true" />
      {t(`link.${link.value}`)}
      {link.value !== 'lost' && silentFor.value >= 12_000 && (
        <span class="muted"> {t('link.age', { age: age(silentFor.value) })}</span>
      )}
    </span>
  );
}

/** The strip that no one overlooks when the link is gone. */
export function LostStrip() {
  if (link.value !== 'lost') return null;
  return (
    <p class="strip">
      <span class="unseen" role="alert">
        {t('link.lost')}
      </span>
      {/* Its seconds tick: not to be read out each time. */}
      <span aria-hidden="true">{t('link.lostFor', { age: age(silentFor.value) })}</span>
    </p>
  );
}
