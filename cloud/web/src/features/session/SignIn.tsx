import { useState } from 'preact/hooks';
import { t } from '../../i18n';
import { failureText } from '../../ui/failureText';
import { LangSwitch, ThemeSwitch } from '../../ui/Switches';
import { signIn } from './store';

/** Stands in the page's place; the address stays, so deep links survive. */
export function SignIn() {
  const [busy, setBusy] = useState(false);
  const [failed, setFailed] = useState('');

  const submit = async (e: SubmitEvent) => {
    e.preventDefault();
    const form = new FormData(e.currentTarget as HTMLFormElement);
    setBusy(true);
    setFailed('');
    try {
      await signIn(String(form.get('user')), String(form.get('password')));
    } catch (err) {
      setFailed(failureText(err));
      setBusy(false);
    }
  };

  return (
    <main class="sign-in">
      <form class="card" onSubmit={submit}>
        <h1>{t('session.title')}</h1>
        <label>
          {t('session.user')}
          <input name="user" autocomplete="username" autocapitalize="none" required autofocus />
        </label>
        <label>
          {t('session.password')}
          <input name="password" type="password" autocomplete="current-password" required />
        </label>
        {failed && (
          <p class="failed" role="alert">
            {failed}
          </p>
        )}
        <button type="submit" class="primary wide" disabled={busy}>
          {t(busy ? 'session.signingIn' : 'session.signIn')}
        </button>
      </form>
      <p class="row">
        <LangSwitch />
        <ThemeSwitch />
      </p>
    </main>
  );
}
