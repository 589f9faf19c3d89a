import { useEffect, useState } from 'preact/hooks';
import { api, ask } from '../../api/client';
import type { Device, Series } from '../../api/types';
import { t, word } from '../../i18n';
import { repeat } from '../../live/repeat';
import { cloudNow } from '../../time/clock';
import { Chart } from '../../ui/Chart';
import { estate } from '../session/estates';
import { bandOf, type Columns, stepFor } from './chartData';
import { isStepped } from './reading';

const minute = 60_000;
const spans = [
  ['span.quarter', 15 * minute],
  ['span.hour', 60 * minute],
  ['span.sixHours', 360 * minute],
  ['span.day', 1440 * minute],
] as const;

interface Shown {
  data: Columns;
  unit: string;
  window: readonly [number, number];
}

/** One metric over the last while, as mean within min and max. */
export function SeriesChart({ device, metric }: { device: Device; metric: string }) {
  const [spanMS, setSpan] = useState<number>(15 * minute);
  const [series, setSeries] = useState<Shown | null>(null);
  useEffect(() => {
    setSeries(null);
    let here = true;
    const stop = repeat(Math.max(5000, spanMS / 180), async () => {
      const to = cloudNow();
      const s = await read(device.id, metric, to, spanMS);
      if (here) setSeries({ data: bandOf(s), unit: s.unit, window: [(to - spanMS) / 1000, to / 1000] });
    });
    return () => {
      here = false;
      stop();
    };
  }, [device.id, metric, spanMS]);
  const name = word('metrics', metric);
  return (
    <section>
      <header class="row">
        <h2>
          {name} <small class="muted">{t('devices.band')}</small>
        </h2>
        <fieldset class="tabs" aria-label={t('devices.span')}>
          {spans.map(([key, length]) => (
            <button key={key} type="button" aria-pressed={spanMS === length} onClick={() => setSpan(length)}>
              {t(key)}
            </button>
          ))}
        </fieldset>
      </header>
      {series === null && <p class="muted">{t('chart.loading')}</p>}
      {series?.data[0].length === 0 && <p class="muted">{t('ticket.noTrend')}</p>}
      {series && series.data[0].length > 0 && (
        <Chart
          data={series.data}
          form="band"
          stepped={isStepped(device.points?.find((p) => p.metric === metric))}
          unit={series.unit}
          window={series.window}
          timezone={estate(device.estate)?.timezone || 'Asia/Shanghai'}
          label={t('chart.label', { metric: name })}
        />
      )}
    </section>
  );
}

function read(device: string, metric: string, toMS: number, spanMS: number): Promise<Series> {
  const from = String(Math.floor(toMS - spanMS));
  return ask(api.GET('/api/v1/series', { params: { query: { device, metric, from, step: stepFor(spanMS) } } }));
}
