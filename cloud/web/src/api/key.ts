// Idempotency keys. crypto.randomUUID is missing on plain HTTP, where much of
// a LAN lives; getRandomValues is always there.
export function newKey(source: Pick<Crypto, 'getRandomValues'> & { randomUUID?: () => string } = crypto): string {
  if (source.randomUUID) return source.randomUUID();
  const b = source.getRandomValues(new Uint8Array(16));
  const hex = Array.from(b, (x) => x.toString(16).padStart(2, '0'));
  return hex.join('');
}
