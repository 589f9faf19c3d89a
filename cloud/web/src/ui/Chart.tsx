// A chart over time. uPlot is loaded when the first chart is shown: the queue
// does not wait for it.
import { useEffect, useRef, useState } from 'preact/hooks';
import type uPlot from 'uplot';
import { t } from '../i18n';
import { chartOptions, type Drawing } from './chartOptions';
import { theme } from './theme';

interface Props extends Drawing {
  /** What a screen reader is told. */
  label: string;
}

export function Chart({ label, ...drawing }: Props) {
  const place = useRef<HTMLDivElement>(null);
  const [Plot, setPlot] = useState<typeof uPlot | null>(null);
  useEffect(() => {
    Promise.all([import('uplot'), import('uplot/dist/uPlot.min.css')]).then(([m]) => setPlot(() => m.default));
  }, []);
  useEffect(() => {
    const el = place.current;
    if (!Plot || !el) return;
    const plot = new Plot({ ...chartOptions(drawing, Plot), width: el.clientWidth, height: 220 }, drawing.data, el);
    const watch = new ResizeObserver(() => plot.setSize({ width: el.clientWidth, height: 220 }));
    watch.observe(el);
    return () => {
      watch.disconnect();
      plot.destroy();
    };
  }, [Plot, drawing.data, theme.value]);
  return (
    <div class="chart" role="img" aria-label={label} ref={place}>
      {!Plot && <p class="muted">{t('chart.loading')}</p>}
    </div>
  );
}
