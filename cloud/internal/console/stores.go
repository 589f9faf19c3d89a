package console

import (
	"context"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/cloud/internal/series"
	"github.com/linshao/linshao/protocol/ticket"
)

// Query is what every list is asked with. The store answers only what Scope
// holds, in a stable order, at most Limit items, and a cursor to read on
// (empty at the end).
type Query struct {
	Scope  access.Scope
	Estate string
	Cursor string
	Limit  int
}

// TicketQuery selects tickets; empty parts select all.
type TicketQuery struct {
	Query
	States     []ticket.State
	Severities []ticket.Severity
	Assignee   string
	Device     string
	// WithLog asks for each ticket's Transitions too.
	WithLog bool
}

// GapQuery selects gaps; an empty Edge and a ToMS of 0 select all.
type GapQuery struct {
	Query
	Edge         string
	FromMS, ToMS int64
}

// Gap is a run of an edge's records that will never come.
type Gap struct {
	Estate, Edge string
	// Log is alarm or samples.
	Log, Reason string
	Records     int64
	// FromMS and ToMS bound when they were recorded, 0 if nobody knows.
	FromMS, ToMS, HeardMS int64
}

// Loss sums up an edge's gaps.
type Loss struct {
	Estate, Edge string
	Gaps         int
	Records      int64
	LastMS       int64
}

// ClockDay sums up what was odd about the times of a device's samples that
// came on the day (UTC) that begins at DayMS.
type ClockDay struct {
	DayMS                                            int64
	Samples, Corrected, Untrusted, Disbelieved, Late int64
	MostMS, FirstMS, LastMS                          int64
}

// Due holds the instants a ticket's clocks end at, in Unix ms, 0 for none.
type Due struct{ AcceptByMS, ArriveByMS, ResolveByMS, FeedbackByMS int64 }

// TicketRow is a ticket as the desk keeps it.
type TicketRow struct {
	Ticket     ticket.Ticket
	ReceivedMS int64
	Due        Due
}

// Fleet reads what is out there.
type Fleet interface {
	Estates(ctx context.Context, q Query) ([]fleet.Estate, string, error)
	Edges(ctx context.Context, q Query) ([]fleet.Edge, string, error)
	// Losses sums up what edges of q's scope have lost, by those that have.
	Losses(ctx context.Context, q Query) ([]Loss, error)
	// Gaps lists what will never come, newest first.
	Gaps(ctx context.Context, q GapQuery) ([]Gap, string, error)
	Devices(ctx context.Context, q Query) ([]fleet.Device, string, error)
	// DevicesNamed returns every device with this id in the estates of scope.
	DevicesNamed(ctx context.Context, scope access.Scope, id string) ([]fleet.Device, error)
	// ClockDays lists the days on which a device's times were odd, newest
	// first, at most limit.
	ClockDays(ctx context.Context, estate, device string, limit int) ([]ClockDay, error)
	Estate(ctx context.Context, id string) (fleet.Estate, bool, error)
}

// Tickets reads tickets and what was sent about them. Ticket follows aliases
// and finds only what scope holds; its Log is there.
type Tickets interface {
	Tickets(ctx context.Context, q TicketQuery) ([]TicketRow, string, error)
	Ticket(ctx context.Context, scope access.Scope, id ticket.ID) (TicketRow, bool, error)
	Deliveries(ctx context.Context, q Query, id ticket.ID) ([]routing.Delivery, string, error)
}

// Act is what a person does to a ticket. TransitionID is the idempotency: the
// same one again changes nothing and answers the ticket as it stands.
type Act struct {
	TransitionID string
	Estate       string
	Ticket       ticket.ID
	Kind         ticket.Kind
	By           ticket.Actor
	AtMS         int64
	Note, Reason string
	To           string
	Outcome      ticket.Outcome
}

// Report is what a person tells the desk. ID, if given, makes telling it twice
// one ticket.
type Report struct {
	ID       ticket.ID
	Device   fleet.Device // only Estate is set where it is about no device
	Fault    ticket.Fault
	Severity ticket.Severity
	By       ticket.Actor
	Text     string
	AtMS     int64
}

// Desk makes changes; each is durable, audited and on its way to whoever must
// know when the call returns. Errors: *ticket.NotAllowedError, *Problem.
type Desk interface {
	Act(ctx context.Context, a Act) (TicketRow, error)
	Report(ctx context.Context, r Report) (TicketRow, error)
}

// Planning keeps who works when and who is paged for what. Save is an upsert
// by id; Delete of an unknown id reports false. An error of Save that is a
// *Problem names what is wrong with the thing.
type Planning interface {
	Staff(ctx context.Context, q Query) ([]duty.Staff, string, error)
	SaveStaff(ctx context.Context, s duty.Staff) error
	DeleteStaff(ctx context.Context, estate, id string) (bool, error)
	Rosters(ctx context.Context, q Query) ([]duty.Roster, string, error)
	SaveRoster(ctx context.Context, r duty.Roster) error
	DeleteRoster(ctx context.Context, estate, id string) (bool, error)
	Overrides(ctx context.Context, q Query) ([]duty.Override, string, error)
	SaveOverride(ctx context.Context, o duty.Override) error
	DeleteOverride(ctx context.Context, estate, id string) (bool, error)
	Policies(ctx context.Context, q Query) ([]routing.Policy, string, error)
	SavePolicy(ctx context.Context, p routing.Policy) error
	DeletePolicy(ctx context.Context, estate, id string) (bool, error)
	Mutes(ctx context.Context, q Query) ([]routing.Mute, string, error)
	SaveMute(ctx context.Context, m routing.Mute) error
	DeleteMute(ctx context.Context, estate, id string) (bool, error)
	// DutyPlan returns everything duty.At needs for one estate.
	DutyPlan(ctx context.Context, estate string) (duty.Plan, error)
	SignOn(ctx context.Context, s duty.SignOn) error
}

// Series reads measurements; series.Store and series.Latest satisfy it.
type Series interface {
	series.Reader
}

// Latest knows the newest value of every metric of a device, in order of
// metric.
type Latest interface {
	Of(estate, device string) []series.Newest
}

// Change is one row of what happened, for the event stream. IDs rise.
type Change struct {
	ID int64
	// Kind is ticket, delivery, device or edge; Ref is the thing's id.
	Kind, Ref          string
	Estate             string
	Device, DeviceKind string
	AtMS               int64
}

// Changes replays what happened.
type Changes interface {
	// Changes returns up to limit changes after the id, and the oldest id
	// still kept (changes before it are gone).
	Changes(ctx context.Context, after int64, limit int) (list []Change, oldest int64, err error)
	// Newest returns the id of the newest change, 0 if there is none.
	Newest(ctx context.Context) (int64, error)
	// Changed returns a channel that is closed when there is more.
	Changed() <-chan struct{}
}
