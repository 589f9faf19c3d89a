package console

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/google/uuid"

	"github.com/linshao/linshao/cloud/internal/access"
	"github.com/linshao/linshao/cloud/internal/duty"
	"github.com/linshao/linshao/cloud/internal/fleet"
	"github.com/linshao/linshao/cloud/internal/routing"
	"github.com/linshao/linshao/protocol/ticket"
)

// TicketsInput selects tickets. State, severity take several words, separated
// by commas; state "unresolved" stands for open, accepted and arrived.
type TicketsInput struct {
	InEstate
	Language
	State    []string `query:"state" doc:"open, accepted, arrived, resolved, closed, or unresolved"`
	Severity []string `query:"severity" doc:"critical, major, minor, warning"`
	Assignee string   `query:"assignee" maxLength:"64" doc:"Staff id"`
	Device   string   `query:"device" maxLength:"129" doc:"Device id, or estate:device"`
	Format   string   `query:"format" enum:"json,csv" doc:"csv yields id,device,kind,raised_at,cleared_at"`
}

func (in *TicketsInput) ticketQuery(ctx context.Context) (TicketQuery, error) {
	q := TicketQuery{Query: in.query(ctx), Assignee: in.Assignee, Device: in.Device}
	if estate, device, full := strings.Cut(in.Device, ":"); full {
		if q.Estate != "" && q.Estate != estate {
			return q, problem(http.StatusUnprocessableEntity, "invalid", "estate and device name two estates")
		}
		q.Estate, q.Device = estate, device
	}
	for _, s := range in.State {
		switch st := ticket.State(s); st {
		case ticket.Open, ticket.Accepted, ticket.Arrived, ticket.Resolved, ticket.Closed:
			q.States = append(q.States, st)
		case "unresolved":
			q.States = append(q.States, ticket.Open, ticket.Accepted, ticket.Arrived)
		default:
			return q, problem(http.StatusUnprocessableEntity, "invalid", "state "+s+" is not one of open, accepted, arrived, resolved, closed, unresolved")
		}
	}
	for _, s := range in.Severity {
		switch sv := ticket.Severity(s); sv {
		case ticket.Critical, ticket.Major, ticket.Minor, ticket.Warning:
			q.Severities = append(q.Severities, sv)
		default:
			return q, problem(http.StatusUnprocessableEntity, "invalid", "severity "+s+" is not one of critical, major, minor, warning")
		}
	}
	return q, nil
}

// TicketInput names a ticket, by its id or one of its aliases.
type TicketInput struct {
	Language
	ID string `path:"id" maxLength:"64"`
}

func (c *Console) registerTickets() {
	tags := []string{"Tickets"}
	register(c, huma.Operation{
		OperationID: "list-tickets", Method: http.MethodGet, Path: "/api/v1/tickets", Summary: "Tickets, newest first", Tags: tags,
		Responses: c.streamed("application/json", reflect.TypeFor[List[TicketView]](), "text/csv"),
	}, c.listTickets)
	register(c, huma.Operation{OperationID: "get-ticket", Method: http.MethodGet, Path: "/api/v1/tickets/{id}", Summary: "One ticket with its timeline", Tags: tags},
		func(ctx context.Context, in *TicketInput) (*One[TicketView], error) {
			row, err := c.ticket(ctx, in.ID, access.See)
			if err != nil {
				return nil, err
			}
			return c.showTicket(ctx, row, in.lang()), nil
		})
	register(c, huma.Operation{OperationID: "create-ticket", Method: http.MethodPost, Path: "/api/v1/tickets", Summary: "Report something", Tags: tags, DefaultStatus: http.StatusCreated}, c.createTicket)
	register(c, huma.Operation{OperationID: "list-deliveries", Method: http.MethodGet, Path: "/api/v1/deliveries", Summary: "Every notification of a ticket", Tags: tags}, c.listDeliveries)
	for path, k := range map[string]ticket.Kind{
		"accept": ticket.Accept, "arrive": ticket.Arrive, "resolve": ticket.Resolve, "close": ticket.Close, "reopen": ticket.Reopen,
		"transfer": ticket.Transfer, "escalate": ticket.Escalate, "comment": ticket.Comment, "false-alarm": ticket.MarkFalseAlarm,
	} {
		register(c, huma.Operation{
			OperationID: path + "-ticket", Method: http.MethodPost, Path: "/api/v1/tickets/{id}/" + path,
			Summary: strings.ToUpper(path[:1]) + strings.ReplaceAll(path[1:], "-", " ") + " a ticket", Tags: tags,
			Errors: []int{http.StatusNotFound, http.StatusConflict},
		}, c.actWith(k))
	}
}

// ticket reads a ticket that the caller may do a to.
func (c *Console) ticket(ctx context.Context, id string, a access.Action) (TicketRow, error) {
	row, ok, err := c.tickets.Ticket(ctx, who(ctx).Scope, ticket.ID(id))
	if err != nil {
		return TicketRow{}, err
	}
	if !ok {
		return TicketRow{}, errNotFound
	}
	return row, allow(ctx, a, targetOf(row.Ticket))
}

func targetOf(t ticket.Ticket) access.Target {
	return access.Target{Estate: t.Estate, Device: t.Device, DeviceKind: t.DeviceKind, Ticket: string(t.ID)}
}

func (c *Console) showTicket(ctx context.Context, row TicketRow, lang string) *One[TicketView] {
	z := c.zoneOf(ctx, row.Ticket.Estate)
	v := row.view(z, lang)
	v.Timeline = timeline(row.Ticket.Log, z)
	return &One[TicketView]{v}
}

func (c *Console) listTickets(ctx context.Context, in *TicketsInput) (*huma.StreamResponse, error) {
	q, err := in.ticketQuery(ctx)
	if err != nil {
		return nil, err
	}
	rows, next, err := c.tickets.Tickets(ctx, q)
	if err != nil {
		return nil, err
	}
	if in.Format == "csv" {
		return csvTickets(rows, next), nil
	}
	zs := c.zones()
	list := listOf(rows, next, func(r TicketRow) TicketView { return r.view(zs.of(ctx, r.Ticket.Estate), in.lang()) })
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		hc.SetHeader("Content-Type", "application/json")
		if err := c.api.Marshal(hc.BodyWriter(), "application/json", list); err != nil {
			c.log.ErrorContext(ctx, "send tickets", "err", err)
		}
	}}, nil
}

// ActInput is what every change of a ticket takes.
type ActInput struct {
	Language
	ID             string `path:"id" maxLength:"64"`
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"128" doc:"The same key of the same caller makes the change once"`
	Body           *ActBody
}

// ActBody says more about a change; all of it is optional unless said.
type ActBody struct {
	At       *time.Time `json:"at,omitempty" doc:"When it happened, if not now"`
	As       string     `json:"as,omitempty" maxLength:"64" doc:"Staff id to act for; dispatcher and admin only"`
	Note     string     `json:"note,omitempty" maxLength:"2000"`
	Reason   string     `json:"reason,omitempty" maxLength:"500" doc:"Required for false-alarm"`
	To       string     `json:"to,omitempty" maxLength:"64" doc:"transfer: staff id to hand it to; empty: whoever is on duty"`
	Outcome  string     `json:"outcome,omitempty" enum:"fixed,no_fault_found,duplicate" doc:"resolve: how it ended"`
	Evidence string     `json:"evidence,omitempty" maxLength:"500" doc:"What proves it, such as a badge or QR reading"`
}

// actWith returns the operation that makes changes of one kind.
func (c *Console) actWith(k ticket.Kind) func(context.Context, *ActInput) (*One[TicketView], error) {
	return func(ctx context.Context, in *ActInput) (*One[TicketView], error) {
		row, err := c.ticket(ctx, in.ID, access.Act)
		if err != nil {
			return nil, err
		}
		body := ActBody{}
		if in.Body != nil {
			body = *in.Body
		}
		by, err := actor(ctx, body.As, row.Ticket)
		if err != nil {
			return nil, err
		}
		if err := c.known(ctx, row.Ticket.Estate, body.As, body.To); err != nil {
			return nil, err
		}
		a := Act{
			TransitionID: idempotent(ctx, in.IdempotencyKey, string(row.Ticket.ID), string(k)), Estate: row.Ticket.Estate, Ticket: row.Ticket.ID,
			Kind: k, By: by, Note: joinEvidence(body), Reason: body.Reason, To: body.To, Outcome: ticket.Outcome(body.Outcome),
		}
		if body.At != nil {
			a.AtMS = body.At.UnixMilli()
		}
		row, err = c.desk.Act(ctx, a)
		if err != nil {
			return nil, err
		}
		return c.showTicket(ctx, row, in.lang()), nil
	}
}

// known fails unless each person named works in the estate: a ticket handed to
// a misspelt id would wait for nobody.
func (c *Console) known(ctx context.Context, estate string, people ...string) error {
	people = slices.DeleteFunc(people, func(id string) bool { return id == "" })
	if len(people) == 0 {
		return nil
	}
	plan, err := c.planning.DutyPlan(ctx, estate)
	if err != nil {
		return err
	}
	for _, id := range people {
		if !slices.ContainsFunc(plan.Staff, func(s duty.Staff) bool { return s.ID == id }) {
			return problem(http.StatusUnprocessableEntity, "unknown_person", "nobody in this estate has the staff id "+strconv.Quote(id))
		}
	}
	return nil
}

func joinEvidence(b ActBody) string {
	switch {
	case b.Evidence == "":
		return b.Note
	case b.Note == "":
		return b.Evidence
	}
	return b.Note + "\n" + b.Evidence
}

// actor is who a change is written down for: the person the login is bound
// to, or the one named by as where the role allows that.
func actor(ctx context.Context, as string, t ticket.Ticket) (ticket.Actor, error) {
	p := who(ctx)
	if as != "" && as != p.Staff {
		if err := allow(ctx, access.ActAs, targetOf(t)); err != nil {
			return ticket.Actor{}, err
		}
		return ticket.Actor{Kind: ticket.ByStaff, ID: as}, nil
	}
	switch {
	case p.Staff != "":
		return ticket.Actor{Kind: ticket.ByStaff, ID: p.Staff}, nil
	case p.Kind == access.Token:
		return ticket.Actor{Kind: ticket.ByToken, ID: p.ID}, nil
	}
	return ticket.Actor{Kind: ticket.ByUser, ID: p.ID}, nil
}

// idempotent derives a Transition's id from the caller, the key and what is
// asked, so that a repetition is recognised for as long as the ticket lives.
func idempotent(ctx context.Context, key string, parts ...string) string {
	if key == "" {
		return ""
	}
	text := strings.Join(append([]string{who(ctx).Key(), key}, parts...), "\x00")
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte(text)).String()
}

// ReportInput is a person's report.
type ReportInput struct {
	Language
	IdempotencyKey string `header:"Idempotency-Key" maxLength:"128"`
	Body           struct {
		Estate   string     `json:"estate,omitempty" maxLength:"64" doc:"Required where no device is named"`
		Device   string     `json:"device,omitempty" maxLength:"129" doc:"estate:device, or a bare id where it is unambiguous"`
		Fault    string     `json:"fault,omitempty" maxLength:"64" doc:"Word of the vocabulary, such as entrapment; default reported"`
		Severity string     `json:"severity,omitempty" enum:"critical,major,minor,warning"`
		Text     string     `json:"text" minLength:"1" maxLength:"2000" doc:"What was seen"`
		At       *time.Time `json:"at,omitempty"`
	}
}

func (c *Console) createTicket(ctx context.Context, in *ReportInput) (*One[TicketView], error) {
	d := fleet.Device{Estate: in.Body.Estate}
	if in.Body.Device != "" {
		var err error
		if d, err = c.device(ctx, in.Body.Device); err != nil {
			return nil, err
		}
	}
	if d.Estate == "" {
		return nil, problem(http.StatusUnprocessableEntity, "invalid", "name the estate or the device that this is about")
	}
	if err := allow(ctx, access.Report, access.Target{Estate: d.Estate, Device: d.ID, DeviceKind: d.Kind}); err != nil {
		return nil, err
	}
	by, err := actor(ctx, "", ticket.Ticket{})
	if err != nil {
		return nil, err
	}
	r := Report{
		ID: ticket.ID(idempotent(ctx, in.IdempotencyKey, "report", d.Estate)), Device: d, Fault: ticket.Fault(in.Body.Fault),
		Severity: reportedSeverity(in.Body.Severity, ticket.Fault(in.Body.Fault)), By: by, Text: in.Body.Text,
	}
	if in.Body.At != nil {
		r.AtMS = in.Body.At.UnixMilli()
	}
	row, err := c.desk.Report(ctx, r)
	if err != nil {
		return nil, err
	}
	return c.showTicket(ctx, row, in.lang()), nil
}

// reportedSeverity never lets a caller make life safety small.
func reportedSeverity(asked string, f ticket.Fault) ticket.Severity {
	switch {
	case f.LifeSafety():
		return ticket.Critical
	case asked != "":
		return ticket.Severity(asked)
	}
	return ticket.Minor
}

// DeliveriesInput names the ticket whose deliveries are asked for.
type DeliveriesInput struct {
	Paging
	Ticket string `query:"ticket" required:"true" maxLength:"64"`
}

func (c *Console) listDeliveries(ctx context.Context, in *DeliveriesInput) (*Page[DeliveryView], error) {
	row, err := c.ticket(ctx, in.Ticket, access.See)
	if err != nil {
		return nil, err
	}
	q := Query{Scope: who(ctx).Scope, Estate: row.Ticket.Estate, Cursor: in.Cursor, Limit: in.Limit}
	list, next, err := c.tickets.Deliveries(ctx, q, row.Ticket.ID)
	if err != nil {
		return nil, err
	}
	z := c.zoneOf(ctx, row.Ticket.Estate)
	return pageOf(list, next, func(d routing.Delivery) DeliveryView { return deliveryView(d, z) }), nil
}

// Render returns a ticket as the API shows it, in Chinese: what pages carry.
func (c *Console) Render(ctx context.Context, t ticket.Ticket) (json.RawMessage, error) {
	row, ok, err := c.tickets.Ticket(ctx, access.Scope{Estates: []string{t.Estate}}, t.ID)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, errNotFound
	}
	return json.Marshal(row.view(c.zoneOf(ctx, t.Estate), "zh"))
}
