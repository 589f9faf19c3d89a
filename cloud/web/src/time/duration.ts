// Durations as people say them: the two largest units.

export interface Units {
  day: string;
  hour: string;
  minute: string;
  second: string;
  /** Between number and unit, and between the parts. */
  gap: string;
}

/** `12 分 30 秒`, `2 小时 5 分`, `3 天 4 小时`; negative lengths count as zero. */
export function duration(lengthMS: number, u: Units): string {
  const s = Math.max(0, Math.floor(lengthMS / 1000));
  const parts: [number, string][] = [
    [Math.floor(s / 86_400), u.day],
    [Math.floor(s / 3600) % 24, u.hour],
    [Math.floor(s / 60) % 60, u.minute],
    [s % 60, u.second],
  ];
  const first = parts.findIndex(([n]) => n > 0);
  if (first < 0) return say(0, u.second, u);
  return parts
    .slice(first, first + 2)
    .filter(([n], i) => i === 0 || n > 0)
    .map(([n, word]) => say(n, word, u))
    .join(' ');
}

function say(n: number, word: string, u: Units): string {
  return `${n}${u.gap}${word}`;
}
