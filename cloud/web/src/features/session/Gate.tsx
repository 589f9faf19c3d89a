import type { ComponentChildren } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { lang, t } from '../../i18n';
import { follow, type Page } from '../../live/live';
import { repeat } from '../../live/repeat';
import { Empty } from '../../ui/Empty';
import { failureText } from '../../ui/failureText';
import { SignIn } from './SignIn';
import { loadMe, me } from './store';

interface Props {
  page: Page;
  children: ComponentChildren;
}

/** Shows the page to who is signed in, and keeps it current for them. */
export function Gate({ page, children }: Props) {
  const who = me.value;
  const name = who?.name;
  const [failed, setFailed] = useState('');
  useEffect(() => {
    if (who !== undefined) return;
    return repeat(3000, async () => {
      if (me.peek() === undefined) await loadMe().catch((e: unknown) => setFailed(failureText(e)));
    });
  }, [who === undefined]);
  useEffect(() => {
    if (name) return follow(page, lang.value);
    return undefined;
  }, [name, page, lang.value]);
  if (who === undefined) return <Empty title={t('link.loading')} hint={failed} />;
  return who === null ? <SignIn /> : children;
}
