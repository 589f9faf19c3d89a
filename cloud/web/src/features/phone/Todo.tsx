import type { Ticket } from '../../api/types';
import { t } from '../../i18n';
import { Empty } from '../../ui/Empty';
import { duties, isOnDuty } from '../duty/store';
import { me } from '../session/store';
import { loaded, unresolved } from '../tickets/store';
import { Card } from './Card';
import { sections } from './sections';

export function Todo() {
  if (!loaded.value) return <Empty title={t('link.loading')} />;
  const staff = me.value?.staff ?? '';
  const s = sections(unresolved.value, staff);
  if (unresolved.value.length === 0) {
    const on = [...duties.value.values()].some((d) => isOnDuty(d, staff));
    return <Empty title={t(on ? 'phone.emptyOn' : 'phone.emptyOff')} hint={t('phone.emptyHint')} />;
  }
  return (
    <>
      <Section title={t('phone.mine')} list={s.mine} />
      <Section title={t('phone.open')} list={s.open} />
      <Section title={t('phone.others')} list={s.others} />
    </>
  );
}

function Section({ title, list }: { title: string; list: readonly Ticket[] }) {
  if (list.length === 0) return null;
  return (
    <section>
      <h2>
        {title} <span class="muted">{list.length}</span>
      </h2>
      <ul class="plain">
        {list.map((x) => (
          <Card key={x.id} ticket={x} />
        ))}
      </ul>
    </section>
  );
}
