import { Failure } from '../api/failure';
import { t, tCode } from '../i18n';

/** What went wrong, for people. */
export function failureText(e: unknown): string {
  const code = e instanceof Failure ? e.code : 'unknown';
  return tCode('failure', code, t('failure.other', { code }));
}
