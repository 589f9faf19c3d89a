// What an action needs to be told: outcome, reason, to whom, a note.
import type { ActBody, Action, Me, Outcome, Ticket } from '../../api/types';
import { t } from '../../i18n';
import { Dialog } from '../../ui/Dialog';
import { staffOf } from '../duty/people';
import { me } from '../session/store';
import { mayActAs } from './allowed';

const outcomes: readonly Outcome[] = ['fixed', 'no_fault_found', 'duplicate'];
const reasons = ['sensor_misfire', 'normal_use', 'under_maintenance', 'too_little_information', 'other'] as const;
const hints = { escalate: 'act.escalateHint', reopen: 'act.reopenHint', close: 'act.closeHint' } as const;

/** Accepting and arriving are one press, except for a dispatcher who may do it in somebody's name. */
export function asks(a: Action, who: Me | null): boolean {
  if (a === 'arrive') return mayActAs(who);
  return a !== 'accept';
}

interface Props {
  ticket: Ticket;
  action: Action;
  busy: boolean;
  onClose: () => void;
  onDone: (body: ActBody) => void;
}

export function AskDialog({ ticket, action, busy, onClose, onDone }: Props) {
  const submit = (e: SubmitEvent) => {
    e.preventDefault();
    onDone(bodyOf(new FormData(e.currentTarget as HTMLFormElement)));
  };
  return (
    <Dialog title={t(`act.${action}`)} onClose={onClose}>
      <form class="ask" onSubmit={submit}>
        <p>
          <strong>{ticket.title.text}</strong> <span class="muted">{ticket.location}</span>
        </p>
        {action in hints && <p class="muted">{t(hints[action as keyof typeof hints])}</p>}
        {action === 'resolve' && <Choice name="outcome" legend={t('act.outcome')} options={outcomeOptions()} />}
        {action === 'false-alarm' && <Choice name="reason" legend={t('act.reason')} options={reasonOptions()} />}
        {action === 'transfer' && <PersonSelect name="to" label={t('act.to')} none={t('act.toDuty')} ticket={ticket} />}
        {mayActAs(me.value ?? null) && (
          <PersonSelect name="as" label={t('act.as')} none={t('act.asMe')} ticket={ticket} />
        )}
        <label>
          {t(action === 'comment' ? 'act.note' : 'act.noteOptional')}
          <textarea name="note" rows={3} maxLength={2000} required={action === 'comment'} />
        </label>
        <button type="submit" class="primary wide" disabled={busy}>
          {busy ? t('act.sending') : t(`act.${action}`)}
        </button>
      </form>
    </Dialog>
  );
}

type Option = readonly [value: string, text: string];

const outcomeOptions = (): Option[] => outcomes.map((o) => [o, t(`outcome.${o}`)]);
const reasonOptions = (): Option[] => reasons.map((r) => [r, t(`reason.${r}`)]);

function Choice({ name, legend, options }: { name: string; legend: string; options: Option[] }) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      {options.map(([value, text]) => (
        <label key={value} class="choice">
          <input type="radio" name={name} value={value} required />
          {text}
        </label>
      ))}
    </fieldset>
  );
}

function PersonSelect({ name, label, none, ticket }: { name: string; label: string; none: string; ticket: Ticket }) {
  return (
    <label>
      {label}
      <select name={name}>
        <option value="">{none}</option>
        {staffOf(ticket.estate).map((p) => (
          <option key={p.id} value={p.id}>
            {p.name}
          </option>
        ))}
      </select>
    </label>
  );
}

/** Only what was filled in. */
function bodyOf(form: FormData): ActBody {
  const body: ActBody = {};
  for (const field of ['as', 'note', 'reason', 'to'] as const) {
    const value = String(form.get(field) ?? '').trim();
    if (value) body[field] = value;
  }
  const outcome = outcomes.find((o) => o === form.get('outcome'));
  if (outcome) body.outcome = outcome;
  return body;
}
