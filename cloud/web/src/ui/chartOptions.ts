// How a chart looks: the axis in the estate's time and 24 h, states as steps,
// a band between min and max, evidence as points.
import type uPlot from 'uplot';
import { t } from '../i18n';

export interface Drawing {
  /** x in seconds, then the lines: [x, mean, min, max] for a band, [x, value, evidence] else. */
  data: uPlot.AlignedData;
  form: 'band' | 'evidence';
  /** The value jumps between states. */
  stepped: boolean;
  unit: string;
  timezone: string;
  /** From and to in seconds; what the data spans if absent. */
  window?: readonly [number, number];
  /** A moment to mark, in seconds. */
  mark?: number | undefined;
}

/** Between states there is nothing. */
const whole = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000, 1_000_000];

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

export function chartOptions(d: Drawing, Plot: typeof uPlot): Omit<uPlot.Options, 'width' | 'height'> {
  const axis = {
    stroke: colour('--muted'),
    grid: { stroke: colour('--line'), width: 1 },
    ticks: { stroke: colour('--line') },
  };
  return {
    tzDate: (s) => Plot.tzDate(new Date(s * 1000), d.timezone),
    cursor: { drag: { x: false, y: false } },
    legend: { live: true },
    scales: { x: { time: true, ...(d.window && { range: [d.window[0], d.window[1]] as [number, number] }) } },
    axes: [
      {
        ...axis,
        space: 90,
        values: (u, splits) => labels(splits, (s) => Plot.tzDate(new Date(s * 1000), d.timezone), u),
      },
      { ...axis, ...(d.stepped && { incrs: whole }), size: 56, label: d.unit, labelSize: d.unit ? 18 : 0 },
    ],
    series: [
      {
        label: t('chart.time'),
        value: (_, s) => (s == null ? '–' : clock(Plot.tzDate(new Date(s * 1000), d.timezone), true)),
      },
      ...lines(d, Plot),
    ],
    ...(d.form === 'band' && { bands: [{ series: [3, 2] as [number, number], fill: colour('--band') }] }),
    hooks: { draw: [(u) => drawMark(u, d.mark)] },
  };
}

function lines(d: Drawing, Plot: typeof uPlot): uPlot.Series[] {
  const paths = d.stepped ? Plot.paths.stepped?.({ align: 1 }) : undefined;
  const shape = paths ? { paths } : {};
  const main = { stroke: colour('--action'), width: 2, points: { show: false }, ...shape };
  const edge = { stroke: colour('--band-edge'), width: 1, points: { show: false }, ...shape };
  if (d.form === 'band') {
    return [
      { ...main, label: t('chart.mean') },
      { ...edge, label: t('chart.min') },
      { ...edge, label: t('chart.max') },
    ];
  }
  const dots = { show: true, size: 9, fill: colour('--evidence'), stroke: colour('--surface'), width: 1 };
  return [
    { ...main, label: t('devices.value'), spanGaps: false },
    { label: t('chart.evidence'), stroke: colour('--evidence'), width: 0, paths: () => null, points: dots },
  ];
}

/** Hours and minutes; seconds where the axis is that fine. */
function labels(splits: number[], at: (s: number) => Date, u: uPlot): string[] {
  const step = (splits[1] ?? 0) - (splits[0] ?? 0);
  const narrow = u.width < 420;
  return splits.map((s, i) => (narrow && i % 2 === 1 ? '' : clock(at(s), step < 60)));
}

function clock(at: Date, seconds: boolean): string {
  const two = (n: number) => String(n).padStart(2, '0');
  return [at.getHours(), at.getMinutes(), ...(seconds ? [at.getSeconds()] : [])].map(two).join(':');
}

function drawMark(u: uPlot, at: number | undefined): void {
  if (at === undefined) return;
  const x = Math.round(u.valToPos(at, 'x', true));
  const { ctx, bbox } = u;
  if (x < bbox.left || x > bbox.left + bbox.width) return;
  ctx.save();
  ctx.strokeStyle = colour('--evidence');
  ctx.setLineDash([4, 4]);
  ctx.beginPath();
  ctx.moveTo(x, bbox.top);
  ctx.lineTo(x, bbox.top + bbox.height);
  ctx.stroke();
  ctx.restore();
}
