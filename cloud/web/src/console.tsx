// The dispatcher's page.
import { render } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import './ui/tokens.css';
import './ui/parts.css';
import './ui/console.css';
import { DevicePage } from './features/devices/DevicePage';
import { DevicesPage } from './features/devices/DevicesPage';
import { DutyPage } from './features/duty/DutyPage';
import { EdgesPage } from './features/edges/EdgesPage';
import { Gate } from './features/session/Gate';
import { queueKeys } from './features/tickets/keys';
import { TicketsPage } from './features/tickets/Queue';
import { lang, setLang, t } from './i18n';
import { startClock } from './time/clock';
import { Aloud } from './ui/Aloud';
import { DemoBanner } from './ui/Demo';
import { Help } from './ui/Help';
import { listen } from './ui/keys';
import { LostStrip } from './ui/LinkState';
import { Notice } from './ui/notice';
import { below, path, startRouter } from './ui/router';
import { startSound } from './ui/sound';
import { TopBar } from './ui/TopBar';
import { startTheme } from './ui/theme';

function Console() {
  const [help, setHelp] = useState(false);
  useEffect(() => listen(queueKeys(() => setHelp(true))), []);
  return (
    <>
      <a class="skip" href="#content">
        {t('nav.skip')}
      </a>
      <DemoBanner />
      <TopBar onHelp={() => setHelp(true)} />
      <LostStrip />
      <main id="content" tabIndex={-1}>
        <Page />
      </main>
      {help && <Help onClose={() => setHelp(false)} />}
      <Aloud />
      <Notice />
    </>
  );
}

function Page() {
  const p = path.value;
  const device = below(p, '/devices');
  if (device) return <DevicePage key={device} id={device} />;
  switch (p) {
    case '/devices':
      return <DevicesPage />;
    case '/duty':
      return <DutyPage />;
    case '/edges':
      return <EdgesPage />;
    default:
      return <TicketsPage />;
  }
}

function App() {
  useEffect(() => {
    document.title = `${t('app.name')} · ${t('app.console')}`;
  }, [lang.value]);
  return (
    <Gate page="console">
      <Console />
    </Gate>
  );
}

setLang(lang.value);
startTheme();
startClock();
startRouter();
startSound();
const root = document.getElementById('app');
if (root) render(<App />, root);
