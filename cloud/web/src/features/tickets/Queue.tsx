import { useEffect } from 'preact/hooks';
import { t } from '../../i18n';
import { Empty } from '../../ui/Empty';
import { sayFailed } from '../../ui/notice';
import { Drawer } from './Drawer';
import { Filters, sentence } from './Filters';
import { usual } from './filter';
import { Row } from './Row';
import { hasMore, loadDone, loaded } from './store';
import { filter, openID, shown } from './view';

/** The dispatcher's page: the queue, and beside it the ticket that is open. */
export function TicketsPage() {
  const open = openID.value;
  return (
    <div class={`tickets-page ${open ? 'with-drawer' : ''}`}>
      <section class="queue" aria-label={t('tickets.queue')}>
        <Filters />
        <List open={open} />
      </section>
      {open && <Drawer key={open} id={open} />}
    </div>
  );
}

function List({ open }: { open: string | null }) {
  const state = filter.value.state;
  useEffect(() => {
    if (state === 'resolved' || state === 'closed') loadDone(state).catch(sayFailed);
  }, [state]);
  if (!loaded.value) return <Empty title={t('link.loading')} />;
  if (shown.value.length === 0) return <NoTickets />;
  return (
    <>
      <ol class="rows">
        {shown.value.map((x) => (
          <Row key={x.id} ticket={x} current={x.id === open} />
        ))}
      </ol>
      {(state === 'resolved' || state === 'closed') && hasMore(state) && (
        <button type="button" class="wide" onClick={() => loadDone(state, true).catch(sayFailed)}>
          {t('tickets.more')}
        </button>
      )}
    </>
  );
}

function NoTickets() {
  const f = filter.value;
  const narrowed = JSON.stringify(f) !== JSON.stringify(usual);
  if (!narrowed) return <Empty title={t('tickets.none')} hint={t('tickets.quiet')} />;
  return (
    <Empty title={t('tickets.none')} hint={t('tickets.noneHint', { filter: sentence(f) })}>
      <button
        type="button"
        onClick={() => {
          filter.value = usual;
        }}
      >
        {t('tickets.showAll')}
      </button>
    </Empty>
  );
}
