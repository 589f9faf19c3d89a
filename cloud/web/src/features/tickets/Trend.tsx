import { useEffect, useState } from 'preact/hooks';
import { api, ask } from '../../api/client';
import { Failure } from '../../api/failure';
import type { Series, Ticket } from '../../api/types';
import { t, word } from '../../i18n';
import { cloudNow } from '../../time/clock';
import { ms } from '../../time/instant';
import { Chart } from '../../ui/Chart';
import { type Columns, windowAround, withEvidence } from '../devices/chartData';
import { estate } from '../session/estates';

/** The measured value around the moment the ticket was raised, with what made the rule fire. */
export function Trend({ ticket }: { ticket: Ticket }) {
  const metric = ticket.evidence?.find((e) => e.metric)?.metric || ticket.metric;
  const [trend, setTrend] = useState<{ data: Columns; unit: string } | null>(null);
  useEffect(() => {
    let here = true;
    if (metric) {
      read(ticket, metric).then(
        (s) => here && setTrend({ data: withEvidence(s, metric, ticket.evidence ?? []), unit: s.unit }),
        () =>
          here && setTrend({ data: withEvidence({ points: [], unit: '' }, metric, ticket.evidence ?? []), unit: '' }),
      );
    }
    return () => {
      here = false;
    };
  }, [ticket.id, ticket.state, ticket.condition, ticket.occurrences, metric]);
  if (!metric) return <p class="muted">{t('ticket.noEvidence')}</p>;
  if (!trend) return <p class="muted">{t('chart.loading')}</p>;
  if (trend.data[0].length === 0) return <p class="muted">{t('ticket.noTrend')}</p>;
  const raised = ms(ticket.raised_at);
  return (
    <>
      <p class="muted">{word('metrics', metric)}</p>
      <Chart
        data={trend.data}
        form="evidence"
        stepped={trend.unit === ''}
        unit={trend.unit}
        timezone={estate(ticket.estate)?.timezone || 'Asia/Shanghai'}
        mark={raised === null ? undefined : raised / 1000}
        label={t('chart.label', { metric: word('metrics', metric) })}
      />
    </>
  );
}

async function read(ticket: Ticket, metric: string): Promise<Series> {
  const raised = ms(ticket.raised_at) ?? cloudNow();
  const { fromMS, toMS } = windowAround(raised, ms(ticket.resolved_at) ?? cloudNow());
  const query = { device: `${ticket.estate}:${ticket.device}`, metric, from: String(fromMS), to: String(toMS) };
  try {
    return await ask(api.GET('/api/v1/series', { params: { query } }));
  } catch (e) {
    if (!(e instanceof Failure) || e.code !== 'too_many_points') throw e;
    const s = await ask(api.GET('/api/v1/series', { params: { query: { ...query, step: '10s' } } }));
    return { unit: s.unit, points: s.points?.map((p) => p && [p[0] ?? null, p[2] ?? null]) ?? [] };
  }
}
