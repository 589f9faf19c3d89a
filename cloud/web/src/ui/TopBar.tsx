import { severities } from '../api/types';
import { DutyStrip } from '../features/duty/DutyStrip';
import { unmanned } from '../features/duty/store';
import { edges } from '../features/edges/store';
import { Account } from '../features/session/Account';
import { loaded, unresolved } from '../features/tickets/store';
import { t } from '../i18n';
import { link } from '../live/link';
import { LinkState } from './LinkState';
import { Shape } from './Mark';
import { overall } from './overall';
import { path } from './router';
import { LangSwitch, SoundSwitch, ThemeSwitch } from './Switches';

const pages = [
  ['/', 'nav.tickets'],
  ['/devices', 'nav.devices'],
  ['/duty', 'nav.duty'],
  ['/edges', 'nav.edges'],
] as const;

export function TopBar({ onHelp }: { onHelp: () => void }) {
  return (
    <header class="top">
      <div class="top-line">
        <a class="brand" href="/">
          {t('app.name')}
        </a>
        <Light />
        <Counts />
        <nav aria-label={t('nav.main')}>
          {pages.map(([to, name]) => (
            <a key={to} href={to} aria-current={isHere(to) ? 'page' : undefined}>
              {t(name)}
            </a>
          ))}
        </nav>
        <span class="spring" />
        <LinkState />
        <SoundSwitch />
        <ThemeSwitch />
        <LangSwitch />
        <button type="button" class="quiet" title={t('help.open')} aria-label={t('help.open')} onClick={onHelp}>
          ?
        </button>
      </div>
      <div class="second-line">
        <DutyStrip />
        <Account />
      </div>
    </header>
  );
}

function isHere(to: string): boolean {
  const p = path.value;
  if (to === '/') return p === '/' || p.startsWith('/tickets');
  return p === to || p.startsWith(`${to}/`);
}

function Light() {
  const o = overall({
    link: link.value,
    loaded: loaded.value,
    unresolved: unresolved.value,
    unmanned: unmanned.value,
    edges: edges.value,
  });
  return (
    <span class={`light ${o}`} role="status">
      <i class="lamp" aria-hidden="true" />
      {t(`light.${o}`)}
    </span>
  );
}

function Counts() {
  return (
    <ul class="counts">
      {severities.map((s) => {
        const n = unresolved.value.filter((x) => x.severity === s).length;
        return (
          <li key={s} class={n === 0 ? 'zero' : ''}>
            <Shape severity={s} />
            <span class="word">{t(`severity.${s}`)}</span> <strong>{n}</strong>
          </li>
        );
      })}
    </ul>
  );
}
