import { useEffect, useState } from 'preact/hooks';
import type { Device } from '../../api/types';
import { t, word } from '../../i18n';
import { Empty } from '../../ui/Empty';
import { sayFailed } from '../../ui/notice';
import { estateName } from '../session/estates';
import { ReachMark, ValueAge } from './Reach';
import { headline } from './reading';
import { devices, latest, loadDevices } from './store';
import { Value } from './Value';
import { usePolling, useValuesInSight } from './watch';

export function DevicesPage() {
  const [text, setText] = useState('');
  useEffect(() => {
    loadDevices().catch(sayFailed);
  }, []);
  usePolling();
  const list = devices.value;
  if (list === null) return <Empty title={t('link.loading')} />;
  if (list.length === 0) return <Empty title={t('devices.none')} hint={t('devices.noneHint')} />;
  return (
    <section class="page">
      <header class="page-head">
        <h1>{t('devices.title')}</h1>
        <input
          id="search"
          type="search"
          placeholder={t('devices.search')}
          aria-label={t('devices.search')}
          value={text}
          onInput={(e) => setText(e.currentTarget.value)}
        />
      </header>
      <table class="cards">
        <thead>
          <tr>
            <th>{t('devices.device')}</th>
            <th>{t('devices.state')}</th>
            <th>{t('devices.values')}</th>
            <th>{t('devices.age')}</th>
          </tr>
        </thead>
        <tbody>
          {list
            .filter((d) => isMeant(d, text))
            .map((d) => (
              <DeviceRow key={d.id} device={d} />
            ))}
        </tbody>
      </table>
    </section>
  );
}

function isMeant(d: Device, text: string): boolean {
  const hay = `${d.device} ${d.location} ${word('kinds', d.kind)} ${estateName(d.estate)}`.toLowerCase();
  return hay.includes(text.trim().toLowerCase());
}

function DeviceRow({ device: d }: { device: Device }) {
  const ref = useValuesInSight<HTMLTableRowElement>(d.id);
  const values = latest.value.get(d.id);
  const point = new Map(d.points?.map((p) => [p.metric, p]));
  return (
    <tr ref={ref}>
      <th scope="row">
        <a href={`/devices/${encodeURIComponent(d.id)}`}>
          <span class="nobreak">{d.location || d.device}</span> · {word('kinds', d.kind)}
        </a>
        <span class="muted block">
          {estateName(d.estate)} · {d.device}
        </span>
      </th>
      <td>
        <ReachMark values={values} />
      </td>
      <td>
        <dl class="inline-values">
          {headline(values ?? []).map((v) => (
            <div key={v.metric}>
              <dt>{word('metrics', v.metric)}</dt>
              <dd>
                <Value latest={v} point={point.get(v.metric)} />
              </dd>
            </div>
          ))}
        </dl>
      </td>
      <td>
        <ValueAge values={values} />
      </td>
    </tr>
  );
}
