// The patrol's phone.
import { render } from 'preact';
import { useEffect } from 'preact/hooks';
import './ui/tokens.css';
import './ui/parts.css';
import './ui/phone.css';
import { OnDuty } from './features/phone/OnDuty';
import { Todo } from './features/phone/Todo';
import { Account } from './features/session/Account';
import { Gate } from './features/session/Gate';
import { lang, setLang, t } from './i18n';
import { startClock } from './time/clock';
import { Aloud } from './ui/Aloud';
import { DemoBanner } from './ui/Demo';
import { LinkState, LostStrip } from './ui/LinkState';
import { Notice } from './ui/notice';
import { LangSwitch, SoundSwitch, ThemeSwitch } from './ui/Switches';
import { startSound } from './ui/sound';
import { elder, startTheme, toggleElder } from './ui/theme';

const inWeChat = navigator.userAgent.includes('MicroMessenger');

function Phone() {
  return (
    <>
      <DemoBanner />
      <header class="phone-top">
        <strong class="brand">{t('app.name')}</strong>
        <LinkState />
        <button type="button" class="quiet" aria-pressed={elder.value} onClick={toggleElder}>
          {t(elder.value ? 'size.normal' : 'size.elder')}
        </button>
      </header>
      <LostStrip />
      <main>
        <OnDuty />
        <Todo />
      </main>
      <footer class="phone-foot">
        {inWeChat && <p class="muted">{t('phone.wechat')}</p>}
        <p class="row">
          <SoundSwitch />
          <ThemeSwitch />
          <LangSwitch />
        </p>
        <Account />
      </footer>
      <Aloud />
      <Notice />
    </>
  );
}

function App() {
  useEffect(() => {
    document.title = `${t('app.name')} · ${t('app.phone')}`;
  }, [lang.value]);
  return (
    <Gate page="phone">
      <Phone />
    </Gate>
  );
}

setLang(lang.value);
startTheme();
startClock();
startSound();
const root = document.getElementById('app');
if (root) render(<App />, root);
