// New tickets are said aloud to whoever cannot see them come.
import { signal } from '@preact/signals';
import type { Ticket } from '../../api/types';
import { t } from '../../i18n';

export const announced = signal('');

export function announce(ticket: Ticket): void {
  announced.value = t('tickets.new', {
    severity: t(`severity.${ticket.severity}`),
    title: ticket.title.text,
    location: ticket.location,
  });
}
