// Short names for the shapes of the API; schema.d.ts is generated.
import type { components } from './schema';

type Schemas = components['schemas'];

export type Ticket = Schemas['TicketView'];
export type TimelineEntry = Schemas['TimelineView'];
export type Evidence = Schemas['EvidenceView'];
export type Delivery = Schemas['DeliveryView'];
export type Device = Schemas['DeviceView'];
export type Point = Schemas['PointView'];
export type Latest = Schemas['LatestView'];
export type ClockDay = Schemas['ClockDayView'];
export type Series = Schemas['SeriesView'];
export type Edge = Schemas['EdgeView'];
export type Gap = Schemas['GapView'];
export type Estate = Schemas['EstateView'];
export type Duty = Schemas['DutyView'];
export type Person = Schemas['PersonView'];
export type Staff = Schemas['StaffView'];
export type Me = Schemas['Me'];
export type ActBody = Schemas['ActBody'];
export type Problem = Schemas['Problem'];

export type Severity = Ticket['severity'];
export type State = Ticket['state'];
export type Outcome = NonNullable<ActBody['outcome']>;

/** What people can do to a ticket, as the API's paths name it. */
export type Action =
  | 'accept'
  | 'arrive'
  | 'resolve'
  | 'close'
  | 'reopen'
  | 'transfer'
  | 'escalate'
  | 'comment'
  | 'false-alarm';

/** From worst to least. */
export const severities: readonly Severity[] = ['critical', 'major', 'minor', 'warning'];
