import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import { sayDone, sayFailed } from '../../ui/notice';
import { setSound, unlockSound } from '../../ui/sound';
import { person } from '../duty/people';
import { duties, isOnDuty, sign } from '../duty/store';
import { estates } from '../session/estates';
import { me } from '../session/store';
import { unresolved } from '../tickets/store';

/** 上岗 and 下岗, per estate. Going on duty also lets the phone ring. */
export function OnDuty() {
  const who = me.value;
  if (!who || who.role === 'viewer') return null;
  if (!who.staff) return <p class="muted duty-note">{t('duty.notBound')}</p>;
  // Who may see many estates still works in those that have them on their staff.
  const mine = estates.value.filter((e) => person(e.id, who.staff) !== undefined);
  return (
    <>
      {mine.map((e) => (
        <InEstate key={e.id} id={e.id} name={mine.length > 1 ? e.name : ''} staff={who.staff} />
      ))}
    </>
  );
}

function InEstate({ id, name, staff }: { id: string; name: string; staff: string }) {
  const [busy, setBusy] = useState(false);
  const duty = duties.value.get(id);
  const on = isOnDuty(duty, staff);
  const others = (duty?.on_duty ?? []).filter((p) => p.staff !== staff);
  const press = async () => {
    setBusy(true);
    try {
      if (!on) {
        setSound(true);
        await unlockSound().catch(() => {}); // no audio here; going on duty matters more
      }
      await sign(id, !on);
      sayDone(t(on ? 'duty.signedOff' : 'duty.signedOn'));
    } catch (e) {
      sayFailed(e);
    } finally {
      setBusy(false);
    }
  };
  return (
    <section class={`on-duty ${unresolved.value.length > 0 ? 'beside' : 'alone'}`}>
      <p>
        <strong>
          {name && `${name} · `}
          {t(on ? 'duty.onDuty' : 'duty.offDuty')}
        </strong>
        {others.length > 0 && (
          <span class="muted block">
            {t(on ? 'duty.whoElse' : 'duty.now')} {others.map((p) => p.name).join(' ')}
          </span>
        )}
        {duty && !on && others.length === 0 && <span class="nobody block">{t('duty.nobody')}</span>}
      </p>
      <button type="button" class={on ? '' : 'primary'} disabled={busy} onClick={press}>
        {t(on ? 'duty.signOff' : 'duty.signOn')}
      </button>
    </section>
  );
}
