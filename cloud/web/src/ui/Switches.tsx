import { lang, setLang, t } from '../i18n';
import { setSound, soundBlocked, soundWanted, unlockSound } from './sound';
import { theme, toggleTheme } from './theme';

export function LangSwitch() {
  const other = lang.value === 'zh' ? 'en' : 'zh';
  return (
    <button type="button" class="quiet" lang={other} title={t('lang.switch')} onClick={() => setLang(other)}>
      {t('lang.other')}
    </button>
  );
}

export function ThemeSwitch() {
  return (
    <button type="button" class="quiet" title={t('theme.switch')} onClick={toggleTheme}>
      {t(theme.value === 'dark' ? 'theme.light' : 'theme.dark')}
    </button>
  );
}

export function SoundSwitch() {
  const on = soundWanted.value;
  const press = () => {
    if (on && soundBlocked.value) void unlockSound();
    else setSound(!on);
  };
  const label = !on ? 'sound.off' : soundBlocked.value ? 'sound.blocked' : 'sound.on';
  return (
    <button type="button" class="quiet" aria-pressed={on} title={t('sound.hint')} onClick={press}>
      {t(label)}
    </button>
  );
}
