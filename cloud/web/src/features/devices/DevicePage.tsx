import { useEffect, useState } from 'preact/hooks';
import { api, ask } from '../../api/client';
import type { Device, Latest } from '../../api/types';
import { t, word } from '../../i18n';
import { cloudNow } from '../../time/clock';
import { ms } from '../../time/instant';
import { Empty } from '../../ui/Empty';
import { failureText } from '../../ui/failureText';
import { Mark } from '../../ui/Mark';
import { estateName } from '../session/estates';
import { unresolved } from '../tickets/store';
import { ClockDays, Marks } from './Marks';
import { ago, ReachMark } from './Reach';
import { SeriesChart } from './SeriesChart';
import { latest } from './store';
import { Value } from './Value';
import { useValues } from './watch';

export function DevicePage({ id }: { id: string }) {
  const [device, setDevice] = useState<Device | null>(null);
  const [failed, setFailed] = useState('');
  useEffect(() => {
    ask(api.GET('/api/v1/devices/{id}', { params: { path: { id } } })).then(setDevice, (e: unknown) =>
      setFailed(failureText(e)),
    );
  }, [id]);
  if (failed) return <Empty title={failed} />;
  return device ? <Known device={device} /> : <Empty title={t('link.loading')} />;
}

function Known({ device: d }: { device: Device }) {
  useValues(d.id);
  const values = latest.value.get(d.id);
  const [chosen, setChosen] = useState('');
  const metric = chosen || firstMetric(d, values);
  return (
    <section class="page">
      <p>
        <a href="/devices">← {t('devices.back')}</a>
      </p>
      <header class="page-head">
        <h1>
          <span class="nobreak">{d.location || d.device}</span> · {word('kinds', d.kind)}
        </h1>
        <ReachMark values={values} />
      </header>
      <p class="muted">
        {estateName(d.estate)} · {d.device} · {t('devices.edge')} {d.edge} · {t('devices.profile')} {d.profile}
      </p>
      <OpenTickets device={d} />
      {metric && <SeriesChart device={d} metric={metric} />}
      <ValueTable device={d} values={values ?? []} chosen={metric} onChoose={setChosen} />
      <ClockDays days={d.clock ?? []} />
    </section>
  );
}

/** What moves is more telling than what switches. */
function firstMetric(d: Device, values: readonly Latest[] | undefined): string {
  const have = new Set(values?.map((v) => v.metric));
  const points = d.points?.filter((p) => have.has(p.metric)) ?? [];
  return (points.find((p) => p.unit !== '') ?? points[0])?.metric ?? '';
}

function OpenTickets({ device: d }: { device: Device }) {
  const list = unresolved.value.filter((x) => x.estate === d.estate && x.device === d.device);
  if (list.length === 0) return null;
  return (
    <section>
      <h2>{t('devices.tickets')}</h2>
      <ul class="plain">
        {list.map((x) => (
          <li key={x.id}>
            <a class="row" href={`/tickets/${encodeURIComponent(x.id)}`}>
              <Mark severity={x.severity} /> {x.title.text}
            </a>
          </li>
        ))}
      </ul>
    </section>
  );
}

interface TableProps {
  device: Device;
  values: readonly Latest[];
  chosen: string;
  onChoose: (metric: string) => void;
}

function ValueTable({ device, values, chosen, onChoose }: TableProps) {
  const point = new Map(device.points?.map((p) => [p.metric, p]));
  const year = new Date(cloudNow()).getFullYear();
  return (
    <table class="values">
      <thead>
        <tr>
          <th>{t('devices.metric')}</th>
          <th>{t('devices.value')}</th>
          <th>{t('devices.quality')}</th>
          <th>{t('devices.age')}</th>
        </tr>
      </thead>
      <tbody>
        {values.map((v) => {
          const name = word('metrics', v.metric);
          return (
            <tr key={v.metric} class={v.metric === chosen ? 'chosen' : ''}>
              <th scope="row">
                <button
                  type="button"
                  class="link"
                  aria-pressed={v.metric === chosen}
                  title={t('devices.showChart', { metric: name })}
                  onClick={() => onChoose(v.metric)}
                >
                  {name}
                </button>
              </th>
              <td>
                <Value latest={v} point={point.get(v.metric)} />
              </td>
              <td>
                {t(`quality.${v.quality}`)}
                {v.reason && <span class="muted"> {v.reason}</span>}
              </td>
              <td class="muted">
                {v.at ? ago(ms(v.at) ?? 0) : t('devices.never')}
                <Marks latest={v} year={year} />
              </td>
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}
