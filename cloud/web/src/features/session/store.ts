// Who is signed in here.
import { signal } from '@preact/signals';
import { api, ask, onSignedOut } from '../../api/client';
import { Failure } from '../../api/failure';
import type { Me } from '../../api/types';

/** undefined: not asked yet; null: nobody. */
export const me = signal<Me | null | undefined>(undefined);

onSignedOut.call = () => {
  me.value = null;
};

/** Finds out who is signed in; a cloud that is away leaves the question open. */
export async function loadMe(): Promise<void> {
  try {
    me.value = await ask(api.GET('/api/v1/me'));
  } catch (e) {
    if (e instanceof Failure && e.code === 'not_signed_in') me.value = null;
    else throw e;
  }
}

export async function signIn(user: string, password: string): Promise<void> {
  me.value = await ask(api.POST('/api/v1/login', { body: { user, password } }));
}

export async function signOut(): Promise<void> {
  await ask(api.POST('/api/v1/logout'));
  location.reload(); // nothing of theirs stays in the page for whoever comes next
}
