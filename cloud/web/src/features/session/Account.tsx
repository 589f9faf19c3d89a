import { t } from '../../i18n';
import { sayFailed } from '../../ui/notice';
import { me, signOut } from './store';

export function Account() {
  const who = me.value;
  if (!who) return null;
  return (
    <span class="account">
      <span class="muted">
        {who.name} · {t(`role.${who.role}`)}
      </span>
      <button type="button" class="quiet" onClick={() => signOut().catch(sayFailed)}>
        {t('session.signOut')}
      </button>
    </span>
  );
}
