import type { Latest, Point } from '../../api/types';
import { t, word } from '../../i18n';
import { number, valueCode } from './reading';

/** One value, in words where the profile has them; a bad one is a dash. */
export function Value({ latest: v, point }: { latest: Latest; point?: Point | undefined }) {
  if (v.quality === 'bad') return <span class="value bad">– {t('quality.bad')}</span>;
  return (
    <span class={`value ${v.quality}`}>
      {text(v, point)}
      {v.unit && <small> {v.unit}</small>}
    </span>
  );
}

function text(v: Latest, point: Point | undefined): string {
  if (v.text) return word('values', v.text);
  if (v.value === null) return '–';
  const code = valueCode(v.metric, point, v.value);
  return code ? word('values', code) : number(v.value);
}
