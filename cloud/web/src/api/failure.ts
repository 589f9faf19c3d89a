// What can go wrong with a call, in the API's own stable words.
import type { Problem } from './types';

/** A call that did not succeed; code is stable, detail is for people. */
export class Failure extends Error {
  constructor(
    readonly code: string,
    readonly detail: string,
  ) {
    super(detail || code);
  }
}

export function failureOf(status: number, body: unknown): Failure {
  if (isProblem(body)) return new Failure(body.code, body.detail ?? '');
  return new Failure(status >= 500 ? 'internal' : 'refused', String(status));
}

function isProblem(body: unknown): body is Problem {
  return typeof body === 'object' && body !== null && 'code' in body && typeof body.code === 'string';
}
