import { useEffect, useState } from 'preact/hooks';
import { api, ask } from '../../api/client';
import type { Point, Ticket } from '../../api/types';
import { t, word } from '../../i18n';
import { ReachMark, ValueAge } from '../devices/Reach';
import { headline } from '../devices/reading';
import { latest } from '../devices/store';
import { Value } from '../devices/Value';
import { useValues } from '../devices/watch';

/** What the ticket's device says right now. */
export function DeviceNow({ ticket }: { ticket: Ticket }) {
  const id = `${ticket.estate}:${ticket.device}`;
  const [points, setPoints] = useState<Point[]>([]);
  useValues(id);
  useEffect(() => {
    ask(api.GET('/api/v1/devices/{id}', { params: { path: { id } } })).then(
      (d) => setPoints(d.points ?? []),
      () => {}, // units and words are missing then; the values still show
    );
  }, [id]);
  const values = latest.value.get(id);
  return (
    <>
      <p class="row">
        <a href={`/devices/${encodeURIComponent(id)}`}>{ticket.device}</a>
        <ReachMark values={values} />
        <ValueAge values={values} />
      </p>
      <dl class="inline-values">
        {headline(values ?? [], 8).map((v) => (
          <div key={v.metric}>
            <dt>{word('metrics', v.metric)}</dt>
            <dd>
              <Value latest={v} point={points.find((p) => p.metric === v.metric)} />
            </dd>
          </div>
        ))}
      </dl>
      {values?.length === 0 && <p class="muted">{t('devices.never')}</p>}
    </>
  );
}
