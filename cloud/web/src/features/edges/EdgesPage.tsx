import type { Edge } from '../../api/types';
import { t } from '../../i18n';
import { full, ms } from '../../time/instant';
import { Empty } from '../../ui/Empty';
import { ago } from '../devices/Reach';
import { estateName } from '../session/estates';
import { Gaps } from './Gaps';
import { edges } from './store';

export function EdgesPage() {
  const list = edges.value;
  if (list === null) return <Empty title={t('link.loading')} />;
  if (list.length === 0) return <Empty title={t('edges.none')} hint={t('edges.noneHint')} />;
  return (
    <section class="page">
      <h1>{t('edges.title')}</h1>
      <table class="cards">
        <thead>
          <tr>
            <th>{t('edges.edge')}</th>
            <th>{t('edges.state')}</th>
            <th>{t('edges.version')}</th>
            <th>{t('edges.seen')}</th>
            <th>{t('edges.skew')}</th>
            <th>{t('edges.lost')}</th>
          </tr>
        </thead>
        <tbody>
          {list.map((e) => (
            <OneEdge key={`${e.estate}/${e.id}`} edge={e} />
          ))}
        </tbody>
      </table>
      <Gaps />
    </section>
  );
}

function OneEdge({ edge: e }: { edge: Edge }) {
  const seen = ms(e.last_seen);
  return (
    <tr>
      <th scope="row">
        {estateName(e.estate)} <span class="muted block">{e.id}</span>
      </th>
      <td>
        <span class={`reach ${e.online ? 'online' : 'offline'}`}>
          <i class="dot" aria-hidden="true" />
          {t(e.online ? 'edges.online' : 'edges.offline')}
        </span>
      </td>
      <td>{e.version || '–'}</td>
      <td title={full(e.last_seen)}>{seen === null ? t('devices.never') : ago(seen)}</td>
      <td>{t('edges.skewValue', { ms: e.skew_ms })}</td>
      <td title={full(e.lost?.last_at)}>{e.lost ? e.lost.records.toLocaleString('en') : '–'}</td>
    </tr>
  );
}
